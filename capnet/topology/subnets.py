"""In which networks of a topology an address lies that nothing has."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from capnet.topology import Network, Topology
from capnet.topology.lookup import address_of, look_up


def subnets_with(topology: Topology, asked: str) -> list[tuple[Network, str]]:
    """The networks, with their subnet, in which an address lies that nothing has."""
    address = address_of(asked.strip())
    return [
        (network, subnet)
        for network in topology.networks
        for subnet in network.subnets
        if address is not None and ip_address(address) in ip_network(subnet, strict=False)
    ]


def vacant_network(topology: Topology, host: str, asked: str) -> Network | None:
    """The bridge network of a host in which an address lies that nothing has: no container, gateway or interface.

    None where others may have it: a bridge with a port that is no veth joins other machines.
    """
    address = address_of(asked)
    if address is None or look_up(topology, address):
        return None
    ports = [(port.master, port.kind) for each in topology.hosts if each.name == host for port in each.interfaces]
    for network, subnet in subnets_with(topology, address):
        of_bridge = [kind for master, kind in ports if master is not None and master == network.bridge]
        is_edge = ip_address(address) in (ip_network(subnet, strict=False)[0], ip_network(subnet, strict=False)[-1])
        if network.driver == "bridge" and network.host == host and not is_edge and set(of_bridge) <= {"veth"}:
            return network
    return None
