"""tunnel-not-decapsulated: a firewall drops the datagrams of a VXLAN tunnel, which both ends go on sending

    left 10.0.1.2 ── br-overlay  A  ens33 ════ ens33  B  br-overlay ── right 10.0.1.3, httpd :80

Sends   left to right by ping and by HTTP, and right to left by ping.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import NodeNetwork, Points
from capnet.scenario.faults.vxlan import introduce, member, overlay

FINDING = "tunnel-not-decapsulated"
BREAKS = Change("B", "iptables -I INPUT -p udp --dport 4789 -j DROP")
NEEDS_PROGRAMS = ("iptables",)
NEEDS_KERNEL = ("vxlan",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    overlay(a, b)
    left = member(a, "left", "10.0.1.2/24")
    right = member(b, "right", "10.0.1.3/24")
    right.serve_tcp(80)
    introduce(left, right)
    return [left.point("eth0"), a.point("ens33"), b.point("ens33"), b.point("vxlan0"), right.point("eth0")]


def send(network: NodeNetwork) -> None:
    network["A/left"].ping("10.0.1.3")
    network["A/left"].get("10.0.1.3")
    network["B/right"].ping("10.0.1.2")
