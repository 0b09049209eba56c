"""fragments-lost: a firewall drops later fragments, which have no ports, so the receiver waits for them in vain

    A  ens33 ──── ens33  B  echo server, udp 7000

Sends   A to B by UDP: 3000 bytes, and 100 bytes.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "fragments-lost"
BREAKS = Change("B", "iptables -t raw -A PREROUTING -f -j DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    b.set("net/ipv4/ipfrag_time", 2)  # seconds, instead of 30
    b.serve_udp(7000)
    return [a.point("ens33"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["A"].ask(HOST_B, 7000, b"x" * 100)
    for _ in range(2):
        network["A"].ask(HOST_B, 7000, b"x" * 3000, patience=3)
