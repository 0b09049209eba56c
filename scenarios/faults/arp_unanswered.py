"""arp-unanswered: a host that is down answers no ARP request

    app 172.17.0.2 ── docker0  A  ens33 ──── ens33  B

Sends   app to B by ping.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "arp-unanswered"
BREAKS = Change("B", "ip link set dev ens33 down")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, _ = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    a.masquerade()
    return [app.point("eth0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["A/app"].ping(HOST_B, count=4)
