"""listen-queue-full: a web server stands still, and its queue of connections to accept is full

    B  ens33 ──── ens33  A  docker0 ── web httpd :80, published as 8080

Sends   B to A:8080 by HTTP: 16 times, eight at once.
"""

from capnet.scenario.commands import STAY, get, page
from capnet.scenario.faults import Change
from capnet.scenario.faults.docker_network import DockerNetwork, Points, pick

FINDING = "listen-queue-full"
BREAKS = Change("A/web", "killall -STOP httpd")
NEEDS_DOCKERD = True

ASK = "timeout 3 wget -q -O /dev/null"


def build(network: DockerNetwork) -> Points:
    a = network.a
    web = a.container("web", f"{page('/srv', 100)} && httpd -h /srv; {STAY}", ports={80: 8080})
    web.wait_until(get("http://127.0.0.1/"))
    return pick(a.parent(), web.interface("eth0"))


def send(network: DockerNetwork) -> None:
    url = f"http://{network.a.address}:8080/"
    eight = " ".join(f"{ASK} {url} &" for _ in range(8))
    network.attempt(network.b, f"for round in 1 2; do {eight} wait; done")
