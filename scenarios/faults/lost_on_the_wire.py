"""lost-on-the-wire: a filter between two hosts, as a cloud's security group is one, drops connections to one port

    A  ens33 ──── lan0 (filter) ──── ens33  B  httpd :80 and :7000

Sends   A to B by HTTP, on both ports.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "lost-on-the-wire"
BREAKS = Change("lan", "iptables -A FORWARD -p tcp --dport 7000 -j DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    network["lan"].set("net/bridge/bridge-nf-call-iptables", 1)
    b.serve_tcp(80)
    b.serve_tcp(7000)
    return [a.point("ens33"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    for port in (80, 7000, 80, 80):
        network["A"].get(HOST_B, port)
