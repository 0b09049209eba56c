"""firewall-rejected-ipv6: a host's firewall rejects IPv6 connections of its containers

    app fd00:d0c::2 ── docker0  A  ens33 ──── ens33  B fd00:111::129, httpd :80

Sends   app to B by HTTP, twice, and by ping.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, NodeNetwork, Points

FINDING = "firewall-rejected"
BREAKS = Change("A", "ip6tables -I FORWARD -p tcp --dport 80 -j REJECT --reject-with icmp6-adm-prohibited")
NEEDS_PROGRAMS = ("ip6tables",)

B = "fd00:111::129"


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    a = network.host("A", switch, HOST_A, "fd00:111::128")
    b = network.host("B", switch, HOST_B, B)
    b.run("ip route add fd00:d0c::/64 via fd00:111::128")
    b.serve_tcp(80, address="::")
    app = a.container("app", "172.17.0.2", "fd00:d0c::2")
    return [app.point("eth0"), a.point("docker0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    for _ in range(2):
        network["A/app"].get(B)
    network["A/app"].ping(B)
