"""not-masqueraded: a firewall that was loaded anew has lost Docker's rule, so containers leave with their own address

    app 172.17.0.2 ── docker0  A  ens33 ──── ens33  B  httpd :80

Sends   app to B by ping and by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "not-masqueraded"
BREAKS = Change("A", "iptables -t nat -F POSTROUTING")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    a.masquerade()
    b.serve_tcp(80)
    return [app.point("eth0"), a.point("docker0"), a.point("ens33"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["A/app"].ping(HOST_B)
    network["A/app"].get(HOST_B)
