"""dead-backend: the server behind a published port has ended, and its container runs on

    B  ens33 ──── ens33  A  docker0 ── web httpd :80, published as 8080

Sends   B to A:8080 by HTTP, twice.
"""

from capnet.scenario.commands import STAY, get, page
from capnet.scenario.faults import Change
from capnet.scenario.faults.docker_network import DockerNetwork, Points, pick

FINDING = "connection-refused"
BREAKS = Change("A/web", "killall httpd")
NEEDS_DOCKERD = True


def build(network: DockerNetwork) -> Points:
    a = network.a
    web = a.container("web", f"{page('/srv', 1000)} && httpd -h /srv; {STAY}", ports={80: 8080})
    web.wait_until(get("http://127.0.0.1/"))
    return pick(a.parent(), a.interface("docker0"), web.interface("eth0"))


def send(network: DockerNetwork) -> None:
    for _ in range(2):
        network.attempt(network.b, f"timeout 4 wget -q -O /dev/null http://{network.a.address}:8080/")
