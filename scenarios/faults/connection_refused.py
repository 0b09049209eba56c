"""connection-refused: a published port leads to a container's port where no server listens

    B  ens33 ──── ens33  A  docker0 ── web 172.17.0.2 :80, published as 8080

Sends   B to A:8080 by HTTP, twice.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, NodeNetwork, Points

FINDING = "connection-refused"
BREAKS = Change(
    "A",
    "iptables -t nat -R PREROUTING 1 -p tcp -m addrtype --dst-type LOCAL --dport 8080 -j DNAT --to 172.17.0.2:8080",
)
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    web = a.container("web", "172.17.0.2")
    web.serve_tcp(80)
    a.publish(8080, web, 80)
    return [b.point("ens33"), a.point("ens33"), a.point("docker0"), web.point("eth0")]


def send(network: NodeNetwork) -> None:
    for _ in range(2):
        network["B"].get(HOST_A, 8080)
