"""docker-masquerade-lost: Docker's masquerade rule is gone, as after a firewall reload, so containers get no answers

    bbox ── docker0  A  ens33 ──── ens33  B  httpd :7000

Sends   bbox to B by ping and by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.docker_network import DockerNetwork, Points, pick

FINDING = "not-masqueraded"
_RULE = "POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"
BREAKS = Change("A", f"iptables -t nat -D {_RULE}", undo=f"iptables -t nat -I {_RULE}")
NEEDS_DOCKERD = True
NEEDS_PROGRAMS = ("iptables",)


def build(network: DockerNetwork) -> Points:
    a, b = network.a, network.b
    bbox = a.container("bbox")
    b.serve_http(7000)
    return pick(bbox.interface("eth0"), a.interface("docker0"), a.parent(), b.parent())


def send(network: DockerNetwork) -> None:
    (bbox,) = network.a.containers
    network.attempt(bbox, f"ping -c 3 -i 0.3 -W 1 {network.b.address}")
    network.attempt(bbox, f"timeout 4 wget -q -O /dev/null http://{network.b.address}:7000/")
