"""foreign-vtep: a host that is no node of the overlay network sends frames into it

    left 10.0.1.2 ── br-overlay  A  ens33 ═╦══ ens33  B  br-overlay ── right 10.0.1.3
                                 stranger ═╝

Sends   left to right by ping, and the stranger, as 10.0.1.66, to left.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, NodeNetwork, Points
from capnet.scenario.faults.vxlan import member, overlay

FINDING = "foreign-vtep"
BREAKS = Change("stranger", "ip link set dev vxlan0 up")
NEEDS_KERNEL = ("vxlan",)
NEEDS_TOPOLOGY = True  # it says which hosts are nodes


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    a, b = network.host("A", switch, HOST_A), network.host("B", switch, HOST_B)
    overlay(a, b)
    member(b, "right", "10.0.1.3/24")
    left = member(a, "left", "10.0.1.2/24")
    stranger = network.host("stranger", switch, "192.168.111.66")
    network.leave_out(stranger)
    stranger.run(
        f"ip link add name vxlan0 type vxlan id 4097 dstport 4789 local 192.168.111.66 remote {HOST_A} dev ens33 && "
        "ip address add 10.0.1.66/24 dev vxlan0"
    )
    return [left.point("eth0"), a.point("ens33"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["A/left"].ping("10.0.1.3")
    network["stranger"].run("ping -c 3 -i 0.3 -W 1 10.0.1.2 || true")  # nothing answers while its interface is down
