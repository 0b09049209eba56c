"""retransmissions: a server's host drops every fifth segment with data that comes in

    A ──── ens33  B  httpd :80

Sends   A to B by HTTP, twenty times.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "retransmissions"
# Requests alone are counted. Of all segments, six come in for a connection: every sixth would be the same one of each,
# and TCP sends a lost ACK never again.
BREAKS = Change(
    "B", "iptables -A INPUT -p tcp --tcp-flags PSH PSH -m statistic --mode nth --every 5 --packet 0 -j DROP"
)
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    b.serve_tcp(80)
    return [a.point("ens33")]


def send(network: NodeNetwork) -> None:
    for _ in range(20):
        network["A"].get(HOST_B)
