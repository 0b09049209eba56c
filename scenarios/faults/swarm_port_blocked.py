"""swarm-port-blocked: a node's firewall drops its gossip, so the other node hears of it by TCP only

    A  ens33 ──── ens33  B          two nodes of a swarm, UDP and TCP port 7946

Sends   nothing of its own: the nodes' gossip, for 24 seconds.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.docker_network import DockerNetwork, Points, pick

FINDING = "swarm-port-blocked"
BREAKS = Change(
    "B", "iptables -I OUTPUT -p udp --dport 7946 -j DROP", undo="iptables -D OUTPUT -p udp --dport 7946 -j DROP"
)
NEEDS_DOCKERD = True
NEEDS_PROGRAMS = ("iptables",)


def build(network: DockerNetwork) -> Points:
    network.session.swarm()
    swarm = "udp port 7946 or tcp port 2377"
    return pick(*(host.parent(capture_filter=swarm) for host in (network.a, network.b)))


def send(network: DockerNetwork) -> None:
    network.attempt(network.a, "sleep 24")
