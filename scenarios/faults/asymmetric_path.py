"""asymmetric-path: a new route sends answers out by the host's other card

    client ── router ──┬── ens33  A  httpd :80
                └──────┴── ens34

Sends   client to A by HTTP, twice.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, ROUTER, NodeNetwork, Points

FINDING = "asymmetric-path"
BREAKS = Change("A", "ip route add 10.9.0.0/24 via 10.20.0.1 dev ens34")


def build(network: NodeNetwork) -> Points:
    lan, backbone = network.switch(), network.switch("backbone")
    a, router = network.host("A", lan, HOST_A), network.host("router", lan, ROUTER)
    network.host("A", backbone, "10.20.0.128", interface="ens34")
    network.host("router", backbone, "10.20.0.1", interface="ens34")
    client = network.routed("client", "10.9.0.5", router)
    a.run(f"ip route add default via {ROUTER}")
    a.serve_tcp(80)
    return [a.point("ens33"), a.point("ens34"), client.point("eth0")]


def send(network: NodeNetwork) -> None:
    for _ in range(2):
        network["client"].get(HOST_A)
