"""no-return-route: a host has lost the route back to the network of its clients

    client 10.9.0.5 ── router ──── ens33  B  httpd :80

Sends   client to B by ping and by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, ROUTER, NodeNetwork, Points

FINDING = "no-return-route"
BREAKS = Change("B", "ip route del 10.9.0.0/24")


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    b, router = network.host("B", switch, HOST_B), network.host("router", switch, ROUTER)
    b.run(f"ip route add 10.9.0.0/24 via {ROUTER}")
    b.serve_tcp(80)
    client = network.routed("client", "10.9.0.5", router)
    return [client.point("eth0"), router.point("ens33"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["client"].ping(HOST_B)
    network["client"].get(HOST_B)
