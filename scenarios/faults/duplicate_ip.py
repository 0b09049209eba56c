"""duplicate-ip: a second host takes an address that is in use

    A 192.168.111.128 ──┬── C
    B 192.168.111.129 ──┘

Sends   C to both addresses by ping, twice.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, NodeNetwork, Points

FINDING = "duplicate-ip"
BREAKS = Change("B", f"ip address add {HOST_A}/24 dev ens33")


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    network.host("A", switch, HOST_A)
    network.host("B", switch, HOST_B)
    c = network.host("C", switch, "192.168.111.130")
    return [c.point("ens33")]


def send(network: NodeNetwork) -> None:
    for _ in range(2):
        network["C"].ping(HOST_A)
        network["C"].ping(HOST_B)
        network["C"].run("ip neigh flush all")
