"""sequence-gap: a host drops every third large segment of its container, before the place of the capture

    web 172.17.0.2 :80, published ── docker0  A  ens33 ──── ens33  B

Sends   B to A by HTTP, six times: a page of 6,000 bytes.
"""

from functools import partial

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, NodeNetwork, Points
from capnet.scenario.faults.services import web_page

FINDING = "sequence-gap"
BREAKS = Change(
    "A", "iptables -A FORWARD -p tcp -m length --length 1000: -m statistic --mode nth --every 3 --packet 1 -j DROP"
)
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, _ = network.two_hosts()
    web = a.container("web", "172.17.0.2")
    web.run("ip link set dev eth0 gso_max_segs 1")  # each segment is a packet of its own
    web.serve_tcp(80, partial(web_page, size=6_000))
    a.publish(80, web, 80)
    return [a.point("ens33")]


def send(network: NodeNetwork) -> None:
    for _ in range(6):
        network["B"].get(HOST_A)
