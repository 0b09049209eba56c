"""overlay-mtu-exceeded: the hosts' network carries less than an overlay network needs, so its packets are cut in two

    left 10.0.1.2 ── br-overlay  A  ens33 ════ ens33  B  br-overlay ── right 10.0.1.3, httpd :80

Sends   right to left by HTTP: a page of 6000 bytes; left to right by ping.
"""

from functools import partial

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import NodeNetwork, Points
from capnet.scenario.faults.services import web_page
from capnet.scenario.faults.vxlan import member, overlay

FINDING = "overlay-mtu-exceeded"
BREAKS = Change("B", "ip link set dev ens33 mtu 1400")
NEEDS_KERNEL = ("vxlan",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    overlay(a, b)
    left, right = member(a, "left", "10.0.1.2/24"), member(b, "right", "10.0.1.3/24")
    right.serve_tcp(80, partial(web_page, size=6_000))
    return [left.point("eth0"), a.point("ens33"), b.point("ens33"), right.point("eth0")]


def send(network: NodeNetwork) -> None:
    network["A/left"].get("10.0.1.3")
    network["A/left"].ping("10.0.1.3")
