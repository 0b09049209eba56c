"""kernel-drop: a rule in INPUT drops what one client asks a service of the host itself

    B ─┬── ens33  A  httpd :80
    C ─┘

Sends   B and C to A by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, NodeNetwork, Points

FINDING = "kernel-drop"
BREAKS = Change("A", f"iptables -A INPUT -s {HOST_B} -p tcp --dport 80 -m comment --comment 'no web for B' -j DROP")
NEEDS_TOPOLOGY = True  # packets alone do not name it: the counters beside them do
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    a = network.host("A", switch, HOST_A)
    network.host("B", switch, HOST_B)
    network.host("C", switch, "192.168.111.130")
    a.serve_tcp(80)
    return [a.point("ens33")]


def send(network: NodeNetwork) -> None:
    for client in "CBC":
        network[client].get(HOST_A)
