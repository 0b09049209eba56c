"""dns-truncated-no-tcp: a firewall lets UDP port 53 pass but not TCP, where long answers have to go

    app 172.17.0.2 ── docker0  A  ens33 ──── ens33  B  name server, udp and tcp 53

Sends   app to B: a question by UDP, whose answer is truncated, and the same question by TCP.
"""

from capnet.scenario.faults import Change, dns
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "dns-truncated-no-tcp"
BREAKS = Change("B", "iptables -A INPUT -p tcp --dport 53 -j DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    a.masquerade()
    b.serve_udp(53, dns.truncated)
    b.serve_tcp(53, dns.answer_over_tcp)
    return [app.point("eth0"), a.point("docker0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    question = dns.question("many.example.com", 7)
    network["A/app"].ask(HOST_B, 53, question)
    network["A/app"].get(HOST_B, 53, dns.over_tcp(question))
