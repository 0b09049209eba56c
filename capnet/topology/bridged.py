"""Which container has an address on a bridge network of its host."""

from __future__ import annotations

from capnet.quick_tuple import NamedTuple
from capnet.topology import Container, Network, Topology
from capnet.topology.lookup import endpoints, network_of


class Bridged(NamedTuple):
    """A container, and the bridge network that it is on."""

    container: Container
    network: Network


def bridged_containers(topology: Topology | None) -> dict[tuple[str, str], Bridged]:
    """(Host, address) → the container that has the address on a bridge network of that host."""
    bridged = {}
    for container, endpoint in endpoints(topology) if topology else ():
        network = network_of(topology, container, endpoint) if topology else None
        if network is not None and network.bridge and endpoint.kind in ("veth", None):  # None: Docker alone was asked
            for ip in endpoint.ips:
                bridged[container.host, ip] = Bridged(container, network)
    return bridged
