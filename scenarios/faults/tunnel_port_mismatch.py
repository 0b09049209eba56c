"""tunnel-port-mismatch: one end of a VXLAN tunnel was made again with Linux's own port, the other end uses IANA's

    left 10.0.1.2 ── br-overlay  A  ens33 ════ ens33  B  br-overlay ── right 10.0.1.3

Sends   left to right by ping, and right to left.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, NodeNetwork, Points
from capnet.scenario.faults.vxlan import member, overlay

FINDING = "tunnel-refused"
BREAKS = Change(
    "B",
    f"ip link del vxlan0; ip link add vxlan0 type vxlan id 4097 dstport 8472 local {HOST_B} remote {HOST_A} dev ens33; "
    "ip link set dev vxlan0 mtu 1450 master br-overlay up",
)
NEEDS_KERNEL = ("vxlan",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    overlay(a, b)
    left, right = member(a, "left", "10.0.1.2/24"), member(b, "right", "10.0.1.3/24")
    return [left.point("eth0"), a.point("ens33"), b.point("ens33"), right.point("eth0")]


def send(network: NodeNetwork) -> None:
    network["A/left"].ping("10.0.1.3")
    network["B/right"].ping("10.0.1.2")
