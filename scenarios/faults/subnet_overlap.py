"""subnet-overlap: Docker's network was enlarged and now holds the addresses of an office, which the host cannot answer

    desk 172.17.5.20 ── router ──── ens33  A  docker0 172.17.0.1/24 ── web 172.17.0.2 :80, published as 8080

Sends   desk to A:8080 by HTTP, and to A by ping.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, ROUTER, NodeNetwork, Points

FINDING = "subnet-overlap"
BREAKS = Change("A", "ip address add 172.17.0.1/16 dev docker0")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    a, router = network.host("A", switch, HOST_A), network.host("router", switch, ROUTER)
    network.host("B", switch, HOST_B)
    a.run(f"ip route add default via {ROUTER}")
    network.routed("desk", "172.17.5.20", router)
    a.bridge("docker0", "172.17.0.1/24")
    web = a.container("web", "172.17.0.2")
    web.serve_tcp(80)
    a.publish(8080, web, 80)
    return [a.point("ens33"), a.point("docker0")]


def send(network: NodeNetwork) -> None:
    network["B"].get(HOST_A, 8080)
    network["desk"].get(HOST_A, 8080)
    network["desk"].ping(HOST_A)
