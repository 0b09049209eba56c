"""dns-type-unanswered: a firewall drops questions for IPv6 addresses, and who asks for both waits for each name

    app 172.17.0.2 ── docker0  A  ens33 ──── ens33  B  name server, udp 53

Sends   app to B: questions for the IPv4 and the IPv6 address of two names, twice each.
"""

from capnet.scenario.faults import Change, dns
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "dns-type-unanswered"
BREAKS = Change("B", "iptables -A INPUT -p udp --dport 53 -m string --algo bm --hex-string '|001c0001|' -j DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    a.masquerade()
    b.serve_udp(53, dns.answer)
    return [app.point("eth0"), a.point("docker0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    for number, name in enumerate(("www.example.com", "db.example.com")):
        for kind in (dns.A, dns.AAAA, dns.A, dns.AAAA):
            question = dns.question(name, 16 * number + kind, kind)
            network["A/app"].ask(HOST_B, 53, question, source_port=40000 + 100 * number + kind)
