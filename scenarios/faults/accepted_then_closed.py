"""accepted-then-closed: docker-proxy accepts connections for a server that has ended, and closes them again

    bbox ─┬─ docker0 172.17.0.1  A, docker-proxy :8080
    web  ─┘  httpd :80, published as 8080

Sends   bbox to A:8080 by HTTP, three times.
"""

from capnet.scenario.commands import STAY, get, page
from capnet.scenario.faults import Change
from capnet.scenario.faults.docker_network import DockerNetwork, Points, pick

FINDING = "accepted-then-closed"
BREAKS = Change("A/web", "killall httpd")
NEEDS_DOCKERD = True


def build(network: DockerNetwork) -> Points:
    a = network.a
    web = a.container("web", f"{page('/srv', 1000)} && httpd -h /srv; {STAY}", ports={80: 8080})
    web.wait_until(get("http://127.0.0.1/"))
    bbox = a.container("bbox")
    return pick(bbox.interface("eth0"), a.interface("docker0"), web.interface("eth0"))


def send(network: DockerNetwork) -> None:
    bbox = network.a.containers[-1]
    for _ in range(3):
        network.attempt(bbox, f"timeout 4 wget -q -O /dev/null http://{network.a.address}:8080/")
