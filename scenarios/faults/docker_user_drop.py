"""docker-user-drop: a rule in DOCKER-USER drops what comes from outside for a published port

    B  ens33 ──── ens33  A  docker0 ── web httpd :80, published as 8080

Sends   B to A:8080 by HTTP, twice.
"""

from capnet.scenario.commands import get, web_server
from capnet.scenario.faults import Change
from capnet.scenario.faults.docker_network import DockerNetwork, Points, pick

FINDING = "published-port-blocked"
BREAKS = Change(
    "A", "iptables -I DOCKER-USER -i ens33 -p tcp -j DROP", undo="iptables -D DOCKER-USER -i ens33 -p tcp -j DROP"
)
NEEDS_DOCKERD = True
NEEDS_TOPOLOGY = True  # no other client shows that the port is published
NEEDS_PROGRAMS = ("iptables",)


def build(network: DockerNetwork) -> Points:
    a = network.a
    web = a.container("web", web_server(1000), ports={80: 8080})
    web.wait_until(get("http://127.0.0.1/"))
    return pick(a.parent(), a.interface("docker0"), web.interface("eth0"))


def send(network: DockerNetwork) -> None:
    for _ in range(2):
        network.attempt(network.b, f"timeout 4 wget -q -O /dev/null http://{network.a.address}:8080/")
