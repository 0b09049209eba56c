"""A VXLAN tunnel between two hosts, with a bridge on each: an overlay network."""

from __future__ import annotations

from capnet.scenario.faults.network import NIC
from capnet.scenario.faults.node import Node

BRIDGE = "br-overlay"
VNI = 4097
PORT = 4789
INNER_MTU = 1450  # 1500 less the headers of Ethernet, IPv4, UDP and VXLAN (RFC 7348)


def overlay(*hosts: Node, vni: int = VNI, port: int = PORT) -> None:
    """Joins the hosts by VXLAN: on each, the bridge br-overlay with vxlan0 as a port, which floods to the others."""
    addresses = [host.addresses(NIC)[0].partition("/")[0] for host in hosts]
    for host, address in zip(hosts, addresses, strict=True):
        host.bridge(BRIDGE)
        host.run(
            f"ip link add name vxlan0 type vxlan id {vni} dstport {port} local {address} dev {NIC} && "
            f"ip link set dev vxlan0 mtu {INNER_MTU} master {BRIDGE} up"
        )
        for other in addresses:
            if other != address:
                host.run(f"bridge fdb append 00:00:00:00:00:00 dev vxlan0 dst {other}")


def member(host: Node, name: str, address: str) -> Node:
    """A container on the host's end of the overlay network. `address` has a prefix length."""
    container = host.container(name, address, bridge=BRIDGE)
    container.run(f"ip link set dev eth0 mtu {INNER_MTU}")
    return container


def introduce(first: Node, second: Node) -> None:
    """Two members know each other's MAC without asking: Docker's VTEP answers ARP by itself."""
    for node, other in ((first, second), (second, first)):
        address = other.addresses("eth0")[0].partition("/")[0]
        node.run(f"ip neigh add {address} lladdr {other.mac('eth0')} dev eth0 nud permanent")
