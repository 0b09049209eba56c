"""flannel-host-gw: pods on two nodes, routed to each other without a tunnel

             host A                                                      host B
    ┌──────────────────────────────────┐              ┌──────────────────────────────────┐
    │   left                           │              │   right  httpd :80               │
    │   eth0 10.244.1.2                │              │   eth0 10.244.2.2                │
    │     │                            │              │     │                            │
    │   cni0 10.244.1.1                │              │   cni0 10.244.2.1                │
    │     │ routed: TTL − 1            │              │     │ routed: TTL − 1            │
    │   ens33 192.168.111.128 ─────────┼──── wire ────┼── ens33 192.168.111.129          │
    └──────────────────────────────────┘              └──────────────────────────────────┘
      10.244.2.0/24 via 192.168.111.129                 10.244.1.0/24 via 192.168.111.128

Builds  what flannel's backend host-gw sets up on two nodes of one Ethernet: pods on a bridge of the CNI plugin bridge,
        and a route to the other node's pods by way of that node; a pod on each, left and right (a web server); on host
        B a web server on port 7000.
Sends   left to right by ping and HTTP: routed by both nodes; the pods' own addresses are on the wire.
        host A itself to right by HTTP: from its own address.
        left to host B's own address by ping and HTTP: masquerade.
Listens at eth0 of both pods, cni0 of both hosts, and ens33 of both hosts.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.pods.flannel import two_pods
from capnet.scenario.pods.pod_network import BRIDGE
from capnet.scenario.session import Session

NEEDS_PEER = True
CONTAINERS, PEER_PORTS = ("left", "right"), (7000,)
PLUGINS = ("bridge",)
NEIGHBOUR = "flannel"


def run(session: Session) -> None:
    a, b = session.a, session.b
    pods = two_pods(a, b, backend="host-gw")

    with session.listening(
        pods.left.interface("eth0", "eth0 inside the pod left"),
        a.interface(BRIDGE, "the bridge of host A's pods"),
        a.parent("NIC of host A: pods' packets with their own addresses"),
        b.parent("NIC of host B, at the other end of the wire"),
        b.interface(BRIDGE, "the bridge of host B's pods"),
        pods.right.interface("eth0", "eth0 inside the pod right"),
    ):
        pods.send(session.say)


def check_model(observed: Observed) -> Comparison:
    """the model is bridge"""
    return observed.model(), "bridge"


def check_way(observed: Observed) -> Comparison:
    """left reaches right across cni0 and the NIC of both hosts, by ping and HTTP"""
    way = [f"{observed.a}/left/eth0", f"{observed.a}/{BRIDGE}", observed.parent(observed.a)]
    back = [observed.parent(observed.b), f"{observed.b}/{BRIDGE}", f"{observed.b}/right/eth0"]
    ends = observed.ip("left"), observed.ip("right")
    return [observed.paths(proto, *ends) for proto in ("icmp", "tcp")], [{(*way, *back)}] * 2


def check_routed_twice(observed: Observed) -> Comparison:
    """each host routes it: TTL 64 at left, 63 on the wire, 62 at right"""
    ends = observed.ip("left"), observed.ip("right")
    points = (f"{observed.a}/left/eth0", observed.parent(observed.b), f"{observed.b}/right/eth0")
    return [observed.ttls(point, *ends) for point in points], [{64}, {63}, {62}]


def check_no_tunnel(observed: Observed) -> Comparison:
    """there is no tunnel: the pods' own addresses are on the wire"""
    ends = observed.ip("left"), observed.ip("right")
    pairs = observed.address_pairs(observed.parent(observed.b), *ends)
    return (observed.tunnels(), pairs), ([], {ends, ends[::-1]})


def check_host_sends_from_its_nic(observed: Observed) -> Comparison:
    """host A itself comes to right from its own address"""
    ends = observed.flow_ends(f"{observed.b}/right/eth0")
    return {src for proto, src, dst in ends if proto == "tcp" and dst == observed.ip("right")}, {
        observed.ip("left"),
        observed.ip(observed.a),
    }


def check_masquerade(observed: Observed) -> Comparison:
    """to host B's own address left is host A, by ping and TCP, as host A's connection table has it"""
    expected = dict.fromkeys(("icmp", "tcp"), observed.ip(observed.a))
    of_left = observed.conntrack_translations(source=observed.ip("left"))
    return (observed.masqueraded_as("left"), observed.translations()), (expected, of_left)
