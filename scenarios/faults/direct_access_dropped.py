"""direct-access-dropped: a host drops what comes from outside for a container's own address, as Docker 28 does

    B  ens33 ──── ens33  A  docker0 ── web 172.17.0.2 :80, published as 8080

Sends   B to web by HTTP: to A:8080, and to 172.17.0.2, to which it has a route.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, NodeNetwork, Points

FINDING = "direct-access-dropped"
BREAKS = Change("A", "iptables -t raw -A PREROUTING -d 172.17.0.2 ! -i docker0 -j DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    web = a.container("web", "172.17.0.2")
    web.serve_tcp(80)
    a.publish(8080, web, 80)
    b.run(f"ip route add 172.17.0.0/16 via {HOST_A}")
    return [a.point("ens33"), a.point("docker0"), web.point("eth0")]


def send(network: NodeNetwork) -> None:
    network["B"].get(HOST_A, 8080)
    network["B"].get("172.17.0.2")
    network["B"].get(HOST_A, 8080)
