"""loopback-not-masqueraded: docker-proxy is off, and the rule that hides a host's loopback from its containers is gone

    A  docker0 ── web 172.17.0.2  httpd :80, published as 8080

Sends   A to 127.0.0.1:8080, and B to A:8080, by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, NodeNetwork, Points

FINDING = "loopback-not-masqueraded"
BREAKS = Change("A", "iptables -t nat -D POSTROUTING -s 127.0.0.0/8 -o docker0 -j MASQUERADE")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, _ = network.two_hosts()
    web = a.container("web", "172.17.0.2")
    web.serve_tcp(80)
    a.set("net/ipv4/conf/all/route_localnet", 1)
    a.publish(8080, web, 80)
    a.run("iptables -t nat -A OUTPUT -p tcp -m addrtype --dst-type LOCAL --dport 8080 -j DNAT --to 172.17.0.2:80")
    a.run("iptables -t nat -A POSTROUTING -s 127.0.0.0/8 -o docker0 -j MASQUERADE")
    return [a.point("lo"), a.point("docker0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["A"].get("127.0.0.1", 8080)
    network["B"].get(HOST_A, 8080)
