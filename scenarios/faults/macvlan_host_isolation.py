"""macvlan-host-isolation: a host without a macvlan interface of its own cannot reach its macvlan children

    web 192.168.111.10 ── macvlan ── ens33  A ──── ens33  B
                          macvlan ── shim 192.168.111.127, the host's own

Sends   A and B to web by ping.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import NodeNetwork, Points

FINDING = "macvlan-host-isolation"
BREAKS = Change("A", "ip link del shim")
NEEDS_KERNEL = ("macvlan",)

WEB = "192.168.111.10"


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    web = network.node("A/web")
    a.run(f"ip link add name web0 link ens33 type macvlan mode bridge && ip link set web0 netns {web.namespace.pid}")
    web.run("ip link set web0 name eth0 up")
    web.address("eth0", f"{WEB}/24")
    a.run("ip link add name shim link ens33 type macvlan mode bridge && ip link set shim up")
    a.run(f"ip address add 192.168.111.127/32 dev shim && ip route add {WEB} dev shim")
    return [web.point("eth0"), a.point("ens33"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["B"].ping(WEB)
    network["A"].ping(WEB, count=4)
