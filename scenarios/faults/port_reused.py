"""port-reused: a firewall drops RSTs, so a server keeps connections whose client port is soon used again

    app 172.17.0.2 ── docker0  A  ens33 ──── ens33  B  httpd :80

Sends   app to B by HTTP, twice from the same port; each connection ends by RST.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "port-reused"
BREAKS = Change("A", "iptables -I FORWARD -p tcp --tcp-flags RST RST -j DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    a.masquerade()
    b.serve_tcp(80)
    return [app.point("eth0"), a.point("ens33"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    for _ in range(2):
        network["A/app"].get(HOST_B, source_port=40000, reset=True)
