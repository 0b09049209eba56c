"""dns-slow: a name server's answers wait for more than a second in a queue of its host

    app 172.17.0.2 ── docker0  A  ens33 ──── ens33  B  name server, udp 53

Sends   app to B: four questions for names.
"""

from capnet.scenario.faults import Change, dns
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "dns-slow"
BREAKS = Change("B", "tc qdisc add dev ens33 root tbf rate 440bit burst 100 latency 60s")
NEEDS_PROGRAMS = ("iptables", "tc")


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    a.masquerade()
    b.serve_udp(53, dns.answer)
    return [app.point("eth0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    for ident in range(4):
        network["A/app"].ask(HOST_B, 53, dns.question(f"www{ident}.example.com", ident), patience=8)
