"""tunnel-refused: one end of a VXLAN tunnel is down, so its host refuses the other end's datagrams

    left 10.0.1.2 ── br-overlay  A  ens33 ════ ens33  B  br-overlay ── right 10.0.1.3

Sends   left to right by ping, and by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import NodeNetwork, Points
from capnet.scenario.faults.vxlan import member, overlay

FINDING = "tunnel-refused"
BREAKS = Change("B", "ip link set dev vxlan0 down")
NEEDS_KERNEL = ("vxlan",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    overlay(a, b)
    left = member(a, "left", "10.0.1.2/24")
    member(b, "right", "10.0.1.3/24").serve_tcp(80)
    return [left.point("eth0"), a.point("ens33"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["A/left"].ping("10.0.1.3")
    network["A/left"].get("10.0.1.3")
