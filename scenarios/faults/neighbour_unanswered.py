"""neighbour-unanswered: a host no longer answers for the IPv6 address of its container, which its neighbours look for

    B fd00:111::129 ──── ens33  A  docker0 ── web fd00:111::d0c:2, answered for by A (proxy_ndp)

Sends   B to A by ping, and to web by ping and by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, NodeNetwork, Points

FINDING = "neighbour-unanswered"
BREAKS = Change("A", "ip -6 neigh del proxy fd00:111::d0c:2 dev ens33")

WEB = "fd00:111::d0c:2"


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    a = network.host("A", switch, HOST_A, "fd00:111::128")
    b = network.host("B", switch, HOST_B, "fd00:111::129")
    a.bridge("docker0", "fd00:111::d0c:1/112")
    web = a.container("web", "fd00:111::d0c:2")
    web.serve_tcp(80, address="::")
    a.set("net/ipv6/conf/ens33/proxy_ndp", 1)
    a.run(f"ip -6 neigh add proxy {WEB} dev ens33")
    return [a.point("ens33"), web.point("eth0"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["B"].ping("fd00:111::128")
    network["B"].ping(WEB)
    network["B"].get(WEB)
