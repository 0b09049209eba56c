"""packet-loss: a host forwards three of four packets

    app 172.17.0.2 ── docker0  A  ens33 ──── ens33  B

Sends   app to B by ping, 16 times.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "packet-loss"
BREAKS = Change("A", "iptables -A FORWARD -s 172.17.0.2 -m statistic --mode nth --every 4 --packet 0 -j DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, _ = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    a.masquerade()
    return [app.point("eth0"), a.point("docker0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["A/app"].ping(HOST_B, count=16)
