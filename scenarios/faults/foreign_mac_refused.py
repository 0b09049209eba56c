"""foreign-mac-refused: a switch port delivers frames for the card's own MAC only, so a macvlan child gets none

    web 192.168.111.10 ── macvlan ── ens33  A ──── ens33  B

Sends   B to web by ping, and to A.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, NodeNetwork, Points, nic_mac

FINDING = "foreign-mac-refused"
BREAKS = Change("lan", "bridge link set dev to-A flood off learning off && ip link set dev lan0 type bridge fdb_flush")
NEEDS_PROGRAMS = ("bridge",)
NEEDS_KERNEL = ("macvlan",)

WEB = "192.168.111.10"


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    network["lan"].run(f"bridge fdb add {nic_mac(HOST_A)} dev to-A master static")
    web = network.node("A/web")
    a.run(f"ip link add name web0 link ens33 type macvlan mode bridge && ip link set web0 netns {web.namespace.pid}")
    web.run("ip link set web0 name eth0 up")
    web.address("eth0", f"{WEB}/24")
    return [web.point("eth0"), a.point("ens33"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["B"].ping(HOST_A)
    network["A/web"].ping("192.168.111.129")
    network["B"].ping(WEB, count=4)
