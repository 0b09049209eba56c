"""stale-conntrack: a container was replaced, and a sender that never pauses is still translated to its address

    B ─┬── ens33  A  docker0 ─┬─ old 172.17.0.2, echo server, published as udp 5060
    C ─┘                      └─ new 172.17.0.3, echo server

Sends   B, from one port, and C to A:5060 by UDP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, NodeNetwork, Points

FINDING = "stale-conntrack"
BREAKS = Change(
    "A",
    "ip link del veth-old && iptables -t nat -R PREROUTING 1 -p udp -m addrtype --dst-type LOCAL --dport 5060 "
    "-j DNAT --to 172.17.0.3",
)
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    a = network.host("A", switch, HOST_A)
    network.host("B", switch, HOST_B)
    network.host("C", switch, "192.168.111.130")
    old, new = a.container("old", "172.17.0.2"), a.container("new", "172.17.0.3")
    for container in (old, new):
        container.serve_udp(5060)
    a.publish(5060, old, 5060, proto="udp")
    return [a.point("ens33"), a.point("docker0")]


def send(network: NodeNetwork) -> None:
    for _ in range(4):
        network["B"].ask(HOST_A, 5060, source_port=40000)
        network["C"].ask(HOST_A, 5060)
