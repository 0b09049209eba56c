"""dns-failure: a firewall drops the questions for a name server

    app 172.17.0.2 ── docker0  A  ens33 ──── ens33  B  name server, udp 53

Sends   app to B: three questions for names, and a ping.
"""

from capnet.scenario.faults import Change, dns
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "dns-failure"
BREAKS = Change("B", "iptables -A INPUT -p udp --dport 53 -j DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    a.masquerade()
    b.serve_udp(53, dns.answer)
    return [app.point("eth0"), a.point("docker0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    for ident in range(3):
        network["A/app"].ask(HOST_B, 53, dns.question("www.example.com", ident))
    network["A/app"].ping(HOST_B)
