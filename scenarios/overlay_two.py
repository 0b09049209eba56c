"""overlay-two: two overlay networks at once on the same wire, told apart by their VNI alone

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐     ┌──────────────────────────────────────────────┐
    │   left-a                   left-b            │     │   right-a                  right-b           │
    │   eth0 10.0.1.2            eth0 10.0.2.2     │     │   eth0 10.0.1.4            eth0 10.0.2.4     │
    │     │                        │               │     │     │                        │               │
    │   ┌─┴─ vxlanA ──────────┐  ┌─┴─ vxlanB ────┐ │     │   ┌─┴─ vxlanA ──────────┐  ┌─┴─ vxlanB ────┐ │
    │   │ vxlan0  VNI 4097    │  │ vxlan0  4098  │ │     │   │ vxlan0  VNI 4097    │  │ vxlan0  4098  │ │
    │   └─┬───────────────────┘  └─┬─────────────┘ │     │   └─┬───────────────────┘  └─┬─────────────┘ │
    │     └──── udp 4789 ──────────┘               │     │     └──── udp 4789 ──────────┘               │
    │                │                             │     │                │                             │
    │              ens33 192.168.111.128 ──────────┼wire─┼── ens33 192.168.111.129                      │
    └──────────────────────────────────────────────┘     └──────────────────────────────────────────────┘

Builds  a swarm of both hosts (or uses the one they are in), two attachable overlay networks, vxlanA and vxlanB, with
        subnets of their own, and on each a container per host: left-… on A, right-… on B.
Sends   left-a to right-a and left-b to right-b, each by ping and HTTP: in VXLAN between the same two hosts, with
        the VNI of its network.
Listens at eth0 of all four containers, vxlan0 in each network's namespace on both hosts, and ens33 of both hosts; on
        ens33 without the swarm's own talk (2377, 7946), unless --capture asks for it.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, web_server

NEEDS_PEER = True
CONTAINERS, NETWORKS = ("left-a", "left-b", "right-a", "right-b"), ("vxlanA", "vxlanB")
NEEDS_KERNEL: tuple[str, ...] = ("vxlan",)
NEIGHBOUR = "overlay"

NETS = {"a": "vxlanA", "b": "vxlanB"}
NOT_THE_SWARM = "not port 2377 and not port 7946"


def run(session: Session) -> None:
    a, b = session.a, session.b
    session.swarm()
    pairs = []
    for letter, net in NETS.items():
        session.network(net, "overlay", attachable=True)
        left = a.container(f"left-{letter}", network=net)
        right = b.container(f"right-{letter}", web_server(1000), network=net)
        pairs.append((net, left, right))
    for net, left, right in pairs:
        right.wait_until(get("http://127.0.0.1/"))
        left.wait_until(f"ping -c 1 -W 1 {right.address(net)}")

    with session.listening(
        *(left.interface("eth0", f"{left.name}'s leg on {net}") for net, left, _ in pairs),
        *(a.overlay(net, "vxlan0", left, f"the VXLAN device of {net} on host A") for net, left, _ in pairs),
        a.parent("NIC of host A: VXLAN of both networks", capture_filter=NOT_THE_SWARM),
        b.parent("NIC of host B: VXLAN of both networks", capture_filter=NOT_THE_SWARM),
        *(b.overlay(net, "vxlan0", right, f"the VXLAN device of {net} on host B") for net, _, right in pairs),
        *(right.interface("eth0", f"{right.name}'s leg on {net}") for net, _, right in pairs),
    ):
        for net, left, right in pairs:
            session.say(f"{left.name} to {right.name} on {net}: ping, HTTP")
            left.run(f"ping -c 3 -i 0.3 {right.address(net)}")
            left.run(get(f"http://{right.address(net)}/"))


def check_model(observed: Observed) -> Comparison:
    """the model is overlay"""
    return observed.model(), "overlay"


def check_vni_of_each_network(observed: Observed) -> Comparison:
    """on the wire there are two VNIs, each of the network that Docker gave it to"""
    observed.point(observed.parent(observed.a))
    inspected = {each.vni: each.name for each in observed.topology.networks if each.driver == "overlay"}
    actual = {each["vni"]: each["network"] for each in observed.tunnels()}
    return (actual, sorted(map(str, actual.values()))), (inspected, sorted(NETS.values()))


def check_vteps(observed: Observed) -> Comparison:
    """both networks are between the same two hosts"""
    observed.point(observed.parent(observed.a))
    ends = tuple(sorted((observed.ip(observed.a), observed.ip(observed.b))))
    return {each["vni"]: tuple(each["vteps"]) for each in observed.tunnels()}, dict.fromkeys(observed.vnis(), ends)


def check_each_its_own(observed: Observed) -> Comparison:
    """in each VNI there are the two containers of its network, and no others"""
    observed.point(observed.parent(observed.a))
    inside = {each["network"]: set(each["inner_ips"]) for each in observed.tunnels()}
    return inside, {net: {observed.ip(f"left-{key}"), observed.ip(f"right-{key}")} for key, net in NETS.items()}


def check_delivered(observed: Observed) -> Comparison:
    """every ping is followed from container to container, across both VXLAN devices and both NICs"""
    paths = {key: observed.path("icmp", observed.ip(f"left-{key}"), observed.ip(f"right-{key}")) for key in NETS}
    return paths, {
        key: [
            f"{observed.a}/left-{key}/eth0",
            f"{observed.a}/overlay:{net}/vxlan0",
            observed.parent(observed.a),
            observed.parent(observed.b),
            f"{observed.b}/overlay:{net}/vxlan0",
            f"{observed.b}/right-{key}/eth0",
        ]
        for key, net in NETS.items()
    }


def check_no_nat(observed: Observed) -> Comparison:
    """nothing is translated"""
    return observed.translations(), set()
