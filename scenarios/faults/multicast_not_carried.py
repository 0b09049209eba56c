"""multicast-not-carried: a switch learns spanning tree, and a port that was plugged in anew forwards nothing for 6 s

    A  ens33 ──── lan0 ──── ens33  B

Sends   A to B by ping, for 10 s.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "multicast-not-carried"
BREAKS = Change(
    "lan",
    "ip link set lan0 type bridge stp_state 1 forward_delay 300 && ip link set to-B nomaster && "
    "ip link set to-B master lan0",
)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    return [a.point("ens33"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["A"].ping(HOST_B, count=32)
