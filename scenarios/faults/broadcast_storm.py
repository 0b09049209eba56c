"""broadcast-storm: a second link between two switches, without spanning tree, sends broadcasts in a circle

    A ── lan0 ═══ lan0 ── B
         left     right

Sends   A to B by ping. Then the second link is taken out.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, NodeNetwork, Points

FINDING = "broadcast-storm"
BREAKS = Change("left", "ip link set dev second up")
NEEDS_PROGRAMS = ("tc",)


def build(network: NodeNetwork) -> Points:
    left, right = network.switch("left"), network.switch("right")
    for cable in ("first", "second"):
        left.link(cable, right, cable)
        for switch in (left, right):
            switch.run(f"ip link set dev {cable} master lan0")
    for switch in (left, right):  # slow, or the storm would fill every buffer
        switch.run("tc qdisc add dev second root tbf rate 64kbit burst 2kb latency 50ms")
    left.run("ip link set dev second down")
    a, b = network.host("A", left, HOST_A), network.host("B", right, HOST_B)
    return [a.point("ens33"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["A"].ping(HOST_B, count=4)
    network["left"].run("ip link set dev second down")
