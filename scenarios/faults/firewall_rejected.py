"""firewall-rejected: a host's firewall rejects what its containers send to another host

    app 172.17.0.2 ── docker0  A  ens33 ──── ens33  B  httpd :80

Sends   app to B by HTTP, twice, and by ping.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "firewall-rejected"
BREAKS = Change("A", "iptables -I FORWARD -p tcp --dport 80 -j REJECT --reject-with icmp-admin-prohibited")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    a.masquerade()
    b.serve_tcp(80)
    return [app.point("eth0"), a.point("docker0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    for _ in range(2):
        network["A/app"].get(HOST_B)
    network["A/app"].ping(HOST_B)
