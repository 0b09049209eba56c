"""flannel: pods on two nodes, routed into a VXLAN device of each node

             host A                                                      host B
    ┌──────────────────────────────────┐              ┌──────────────────────────────────┐
    │   left                           │              │   right  httpd :80               │
    │   eth0 10.244.1.2                │              │   eth0 10.244.2.2                │
    │     │                            │              │     │                            │
    │   cni0 10.244.1.1                │              │   cni0 10.244.2.1                │
    │     │ routed: TTL − 1            │              │     │ routed: TTL − 1            │
    │   flannel.1 10.244.1.0           │              │   flannel.1 10.244.2.0           │
    │     │ VXLAN, VNI 1, UDP 8472     │              │     │                            │
    │   ens33 192.168.111.128 ─────────┼──── wire ────┼── ens33 192.168.111.129          │
    └──────────────────────────────────┘              └──────────────────────────────────┘

Builds  what flannel sets up on two nodes of a cluster: pods on a bridge of the CNI plugin bridge, a VXLAN device, and
        a route to the other node's pods; a pod on each, left and right (a web server); on host B a web server on port
        7000.
Sends   left to right by ping and HTTP: routed by both nodes, in VXLAN between them, no address rewritten.
        host A itself to right by HTTP: from 10.244.1.0, the address of its VXLAN device.
        left to host B's own address by ping and HTTP: masquerade, and no tunnel.
Listens at eth0 of both pods, cni0 and flannel.1 of both hosts, and ens33 of both hosts.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.pods.flannel import DEVICE, PORT, VNI, device_mac, two_pods
from capnet.scenario.pods.pod_network import BRIDGE
from capnet.scenario.session import Session

NEEDS_PEER = True
CONTAINERS, PEER_PORTS = ("left", "right"), (7000,)
PLUGINS = ("bridge",)
NEEDS_KERNEL: tuple[str, ...] = ("vxlan",)
NEIGHBOUR = "overlay"


def run(session: Session) -> None:
    a, b = session.a, session.b
    pods = two_pods(a, b)

    with session.listening(
        pods.left.interface("eth0", "eth0 inside the pod left"),
        a.interface(BRIDGE, "the bridge of host A's pods"),
        a.interface(DEVICE, "the VXLAN device of host A: frames without their VXLAN header"),
        a.parent("NIC of host A: VXLAN to the other node"),
        b.parent("NIC of host B, at the other end of the wire"),
        b.interface(DEVICE, "the VXLAN device of host B"),
        b.interface(BRIDGE, "the bridge of host B's pods"),
        pods.right.interface("eth0", "eth0 inside the pod right"),
    ):
        pods.send(session.say)


def check_model(observed: Observed) -> Comparison:
    """the model is bridge"""
    return observed.model(), "bridge"


def check_way(observed: Observed) -> Comparison:
    """left reaches right across cni0, flannel.1 and the NIC of both hosts, by ping and HTTP"""
    way = [f"{observed.a}/left/eth0", f"{observed.a}/{BRIDGE}", f"{observed.a}/{DEVICE}", observed.parent(observed.a)]
    back = [observed.parent(observed.b), f"{observed.b}/{DEVICE}", f"{observed.b}/{BRIDGE}", f"{observed.b}/right/eth0"]
    ends = observed.ip("left"), observed.ip("right")
    return [observed.paths(proto, *ends) for proto in ("icmp", "tcp")], [{(*way, *back)}] * 2


def check_routed_twice(observed: Observed) -> Comparison:
    """each host routes it: TTL 64 at left, 63 in the tunnel, 62 at right"""
    ends = observed.ip("left"), observed.ip("right")
    points = (f"{observed.a}/left/eth0", f"{observed.b}/{DEVICE}", f"{observed.b}/right/eth0")
    return [observed.ttls(point, *ends) for point in points], [{64}, {63}, {62}]


def check_tunnel(observed: Observed) -> Comparison:
    """on the wire it is in VXLAN with VNI 1, UDP port 8472, between both hosts; inside, flannel.1 sends to flannel.1"""
    observed.point(observed.parent(observed.a))
    hosts = tuple(sorted((observed.ip(observed.a), observed.ip(observed.b))))
    actual = {
        (each["vni"], each["port"], tuple(each["vteps"]), tuple(each["inner_macs"])) for each in observed.tunnels()
    }
    return actual, {(VNI, PORT, hosts, tuple(device_mac(number) for number in (1, 2)))}


def check_host_sends_from_its_device(observed: Observed) -> Comparison:
    """host A itself comes to right from 10.244.1.0, the address of its flannel.1"""
    ends = observed.flow_ends(f"{observed.b}/right/eth0")
    return {src for proto, src, dst in ends if proto == "tcp" and dst == observed.ip("right")}, {
        observed.ip("left"),
        "10.244.1.0",
    }


def check_masquerade(observed: Observed) -> Comparison:
    """to host B's own address left is host A, by ping and TCP, as host A's connection table has it"""
    expected = dict.fromkeys(("icmp", "tcp"), observed.ip(observed.a))
    of_left = observed.conntrack_translations(source=observed.ip("left"))
    return (observed.masqueraded_as("left"), observed.translations()), (expected, of_left)
