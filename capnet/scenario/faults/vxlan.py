"""VXLAN tunnels between hosts: an overlay network, bridged as Docker does it, and pods, routed as flannel does it."""

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


FLANNEL, FLANNEL_VNI, FLANNEL_PORT = "flannel.1", 1, 8472  # Linux's own VXLAN port, older than IANA's
POD_BRIDGE = "cni0"


def pod_network(*hosts: Node) -> None:
    """Routes between the hosts' pods, 10.244.1.0/24 on the first, as flannel does: into a VXLAN device of each host.

    Frames in the tunnel are between these devices; the other hosts' subnets lie behind them, one hop away.
    """
    addresses = [host.addresses(NIC)[0].partition("/")[0] for host in hosts]
    macs = [f"02:f1:00:00:00:{number:02x}" for number in range(1, len(hosts) + 1)]
    for number, host in enumerate(hosts):
        host.bridge(POD_BRIDGE, f"10.244.{number + 1}.1/24")
        host.run(
            f"ip link add name {FLANNEL} address {macs[number]} type vxlan id {FLANNEL_VNI} dstport {FLANNEL_PORT} "
            f"local {addresses[number]} dev {NIC} nolearning && ip link set dev {FLANNEL} mtu {INNER_MTU} up"
        )
        host.run(f"ip address add 10.244.{number + 1}.0/32 dev {FLANNEL}")
        for other, (mac, address) in enumerate(zip(macs, addresses, strict=True)):
            if other != number:
                device = f"10.244.{other + 1}.0"
                host.run(
                    f"ip neigh add {device} lladdr {mac} dev {FLANNEL} nud permanent && "
                    f"bridge fdb append {mac} dev {FLANNEL} dst {address} && "
                    f"ip route add {device}/24 via {device} dev {FLANNEL} onlink"
                )


def pod(host: Node, name: str, address: str) -> Node:
    """A pod on a host of a pod network."""
    container = host.container(name, address, bridge=POD_BRIDGE)
    container.run(f"ip link set dev eth0 mtu {INNER_MTU}")
    return container
