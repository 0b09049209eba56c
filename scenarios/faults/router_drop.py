"""router-drop: a rule of a router drops all that comes in by one interface and is to leave by the other

    client 10.9.0.5 ── eth1  router  ens33 ──── ens33  B  httpd :80, sshd :22

Sends   client to B, ports 22 and 80.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, ROUTER, NodeNetwork, Points

FINDING = "stops-between"
BREAKS = Change("router", "iptables -I FORWARD -i eth1 -o ens33 -j DROP")
NEEDS_PROGRAMS = ("iptables",)
NEEDS_TOPOLOGY = True  # nothing that passes shows the way: the networks of the interfaces do


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    b, router = network.host("B", switch, HOST_B), network.host("router", switch, ROUTER)
    b.run(f"ip route add default via {ROUTER}")
    b.serve_tcp(80)
    b.serve_tcp(22)
    network.routed("client", "10.9.0.5", router)
    return [router.point("eth1"), router.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["client"].get(HOST_B, 22)
    network["client"].get(HOST_B)
