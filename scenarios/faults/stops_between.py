"""stops-between: a rule of the host drops the connections of one of its two containers

    app   172.17.0.2 ─┬─ docker0  A  ens33 ──── ens33  B  httpd :80
    other 172.17.0.3 ─┘

Sends   app and other to B by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "stops-between"
BREAKS = Change("A", "iptables -I FORWARD -s 172.17.0.2 -p tcp --dport 80 -j DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app, _ = a.container("app", "172.17.0.2"), a.container("other", "172.17.0.3")
    a.masquerade()
    b.serve_tcp(80)
    return [app.point("eth0"), a.point("docker0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["A/other"].get(HOST_B)
    network["A/app"].get(HOST_B)
    network["A/other"].get(HOST_B)
