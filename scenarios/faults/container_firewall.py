"""container-firewall: a rule inside a container drops what a published port brings

    B ── ens33  A  docker0 ── web 172.17.0.2 :80, published as 8080
                       └───── db  172.17.0.3 :5432, published as 5432

Sends   B to A:8080 by HTTP, and to A:5432.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, NodeNetwork, Points

FINDING = "connection-unanswered"
BREAKS = Change("A/web", "iptables -I INPUT -p tcp --dport 80 -j DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, _ = network.two_hosts()
    web, db = a.container("web", "172.17.0.2"), a.container("db", "172.17.0.3")
    for container, published, port in ((web, 8080, 80), (db, 5432, 5432)):
        container.serve_tcp(port)
        a.publish(published, container, port)
    return [a.point("ens33"), a.point("docker0")]


def send(network: NodeNetwork) -> None:
    network["B"].get(HOST_A, 5432)
    network["B"].get(HOST_A, 8080)
