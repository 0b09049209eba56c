"""gateway-mac-changed: a bridge without a MAC of its own had that of a container's veth, and the container is gone

    app   172.17.0.2 ─┬─ docker0  A  ens33 ──── ens33  B
    other 172.17.0.3 ─┘

Sends   app to B by ping, 30 times.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "gateway-mac-changed"
BREAKS = Change("A", "ip link del veth-other")
KEEPS_NEIGHBOURS = True
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, _ = network.two_hosts()
    app, _ = a.container("app", "172.17.0.2"), a.container("other", "172.17.0.3")
    a.run("ip link set dev veth-other address 02:00:00:00:00:01")  # the lowest MAC of all ports becomes the bridge's
    a.masquerade()
    app.set("net/ipv4/neigh/eth0/base_reachable_time_ms", 1000)  # instead of 30 s
    app.set("net/ipv4/neigh/eth0/delay_first_probe_time", 1)  # second, instead of 5
    return [app.point("eth0"), a.point("docker0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["A/app"].ping(HOST_B, count=30)
