"""routing-loop: a host that lost the route to its bridge returns its containers' packets to the router

    client 10.9.0.5 ── router ──── ens33  A  docker0 ── web 172.17.0.2

Sends   client to web by ping.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, ROUTER, NodeNetwork, Points

FINDING = "routing-loop"
BREAKS = Change("A", "ip route del 172.17.0.0/16")


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    a, router = network.host("A", switch, HOST_A), network.host("router", switch, ROUTER)
    a.container("web", "172.17.0.2")
    a.run(f"ip route add default via {ROUTER}")
    router.run(f"ip route add 172.17.0.0/16 via {HOST_A}")
    client = network.routed("client", "10.9.0.5", router)
    return [client.point("eth0"), a.point("ens33"), a.point("docker0")]


def send(network: NodeNetwork) -> None:
    network["client"].ping("172.17.0.2")
