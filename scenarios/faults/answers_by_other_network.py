"""answers-by-other-network: a container of two networks got its default route from the one that is not asked

    client 10.9.0.5 ── router ──── ens33  A ─┬─ br-front ── eth0  web 172.21.0.2  httpd :80, published as 8080
                                             └─ br-back ─── eth1  web 172.23.0.2

Sends   client to A:8080 by HTTP, and A to web by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, ROUTER, NodeNetwork, Points

FINDING = "answers-by-other-network"
BREAKS = Change("A/web", "ip route replace default via 172.23.0.1 dev eth1")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    a, router = network.host("A", switch, HOST_A), network.host("router", switch, ROUTER)
    a.run(f"ip route add 10.9.0.0/24 via {ROUTER}")
    a.bridge("br-front", "172.21.0.1/16")
    a.bridge("br-back", "172.23.0.1/16")
    web = a.container("web", "172.21.0.2", bridge="br-front")
    web.link("eth1", a, "veth-back")
    a.run("ip link set dev veth-back master br-back")
    web.address("eth1", "172.23.0.2/16")
    a.set("net/ipv4/conf/all/rp_filter", 1)
    web.serve_tcp(80)
    a.publish(8080, web, 80)
    network.routed("client", "10.9.0.5", router)
    return [a.point("ens33"), a.point("br-front"), a.point("br-back")]


def send(network: NodeNetwork) -> None:
    network["client"].get(HOST_A, 8080)
    network["A"].get("172.21.0.2", 80)
