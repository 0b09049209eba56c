"""overlay-port-blocked: a host's firewall drops UDP port 4789, so an overlay network ends at its card

    left ── vxlanF  A  ens33 ════ ens33  B  vxlanF ── right httpd :80

Sends   left to right by ping and by HTTP, and right to left by ping.
"""

from capnet.scenario.commands import web_server
from capnet.scenario.faults import Change
from capnet.scenario.faults.docker_network import DockerNetwork, Points, pick

FINDING = "tunnel-not-decapsulated"
BREAKS = Change(
    "B", "iptables -I INPUT -p udp --dport 4789 -j DROP", undo="iptables -D INPUT -p udp --dport 4789 -j DROP"
)
NEEDS_DOCKERD = True
NEEDS_PROGRAMS = ("iptables",)
NEEDS_KERNEL = ("vxlan",)

NET = "vxlanF"


def build(network: DockerNetwork) -> Points:
    a, b = network.a, network.b
    network.session.swarm()
    network.session.network(NET, "overlay", attachable=True)
    left = a.container("left", network=NET)
    right = b.container("right", web_server(1000), network=NET)
    left.wait_until(f"timeout 2 wget -q -O /dev/null http://{right.address(NET)}/")
    swarm = "not port 2377 and not port 7946"
    return pick(
        left.interface(left.leg(NET)),
        a.parent(capture_filter=swarm),
        b.parent(capture_filter=swarm),
        b.overlay(NET, "vxlan0", right, "the overlay's VXLAN device on host B"),
        right.interface(right.leg(NET)),
    )


def send(network: DockerNetwork) -> None:
    (left,), (right,) = network.a.containers, network.b.containers
    network.attempt(left, f"ping -c 3 -i 0.3 -W 1 {right.address(NET)}")
    network.attempt(left, f"timeout 4 wget -q -O /dev/null http://{right.address(NET)}/")
    network.attempt(right, f"ping -c 3 -i 0.3 -W 1 {left.address(NET)}")
