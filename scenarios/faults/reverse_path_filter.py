"""reverse-path-filter: a new route makes a host drop clients whose packets come in by its other card

    B ────────────────────┬── ens33  A  docker0 ── web 172.17.0.2 :80, published as 8080
    client ── router ─────┘   ens34
                 └────────────┘

Sends   B and client to A:8080 by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, ROUTER, NodeNetwork, Points

FINDING = "reverse-path-filter"
BREAKS = Change("A", "ip route add 10.9.0.0/24 via 10.20.0.1 dev ens34")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    lan, backbone = network.switch(), network.switch("backbone")
    a, router = network.host("A", lan, HOST_A), network.host("router", lan, ROUTER)
    network.host("B", lan, HOST_B)
    network.host("A", backbone, "10.20.0.128", interface="ens34")
    network.host("router", backbone, "10.20.0.1", interface="ens34")
    network.routed("client", "10.9.0.5", router)
    a.run(f"ip route add default via {ROUTER}")
    a.set("net/ipv4/conf/all/rp_filter", 1)
    web = a.container("web", "172.17.0.2")
    web.serve_tcp(80)
    a.publish(8080, web, 80)
    return [a.point("ens33"), a.point("ens34"), a.point("docker0")]


def send(network: NodeNetwork) -> None:
    for client in ("B", "client", "B"):
        network[client].get(HOST_A, 8080)
    network["A"].ping("10.20.0.1")
