"""wrong-gateway: a server gets a default gateway that does not exist, so its answers cannot leave

    client ── router ── ens33  A  httpd :80

Sends   client to A by HTTP, twice.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, ROUTER, NodeNetwork, Points

FINDING = "arp-unanswered"
BREAKS = Change("A", "ip route replace default via 192.168.111.254")


def build(network: NodeNetwork) -> Points:
    lan = network.switch()
    a, router = network.host("A", lan, HOST_A), network.host("router", lan, ROUTER)
    network.routed("client", "10.9.0.5", router)
    a.run(f"ip route add default via {ROUTER}")
    a.serve_tcp(80)
    return [a.point("ens33")]


def send(network: NodeNetwork) -> None:
    for _ in range(2):
        network["client"].get(HOST_A)
