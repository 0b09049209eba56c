"""asymmetric-path: a new route sends answers out by the host's other card, where the router drops them

    client ── router ──┬── ens33  A  docker0 ── web 172.17.0.2 :80, published as 8080
                  └────┴── ens34

The router drops packets that come in by another interface than the one to their source, as many do (rp_filter).

Sends   client to A:8080 by HTTP, twice.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, ROUTER, NodeNetwork, Points

FINDING = "asymmetric-path"
BREAKS = Change("A", "ip route add 10.9.0.0/24 via 10.20.0.1 dev ens34")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    lan, backbone = network.switch(), network.switch("backbone")
    a, router = network.host("A", lan, HOST_A), network.host("router", lan, ROUTER)
    network.host("A", backbone, "10.20.0.128", interface="ens34")
    network.host("router", backbone, "10.20.0.1", interface="ens34")
    client = network.routed("client", "10.9.0.5", router)
    a.run(f"ip route add default via {ROUTER}")
    a.set("net/ipv4/conf/all/arp_announce", 2)  # it asks for the router's MAC with the address of that card
    router.set("net/ipv4/conf/all/rp_filter", 1)
    web = a.container("web", "172.17.0.2")
    web.serve_tcp(80)
    a.publish(8080, web, 80)
    return [a.point("ens33"), a.point("ens34"), a.point("docker0"), client.point("eth0")]


def send(network: NodeNetwork) -> None:
    for _ in range(2):
        network["client"].get(HOST_A, 8080)
