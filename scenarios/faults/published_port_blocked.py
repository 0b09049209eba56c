"""published-port-blocked: a firewall drops what a client sends to a published port, before Docker's rules see it

    B ─┬── ens33  A  docker0 ── web 172.17.0.2 :80, published as 8080
    C ─┘

Sends   B and C to A:8080 by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, NodeNetwork, Points

FINDING = "published-port-blocked"
BREAKS = Change("A", f"iptables -t raw -I PREROUTING -s {HOST_B} -p tcp --dport 8080 -j DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    a = network.host("A", switch, HOST_A)
    network.host("B", switch, HOST_B)
    network.host("C", switch, "192.168.111.130")
    web = a.container("web", "172.17.0.2")
    web.serve_tcp(80)
    a.publish(8080, web, 80)
    return [a.point("ens33"), a.point("docker0"), web.point("eth0")]


def send(network: NodeNetwork) -> None:
    for client in "CBC":
        network[client].get(HOST_A, 8080)
