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

from capnet.scenario.expect import Pair, Seen
from capnet.scenario.stage import Stage, page

NEEDS_PEER = True
NEEDS_KERNEL: tuple[str, ...] = ("vxlan",)

NETS = {"a": "vxlanA", "b": "vxlanB"}
NOT_THE_SWARM = "not port 2377 and not port 7946"


def play(stage: Stage) -> None:
    a, b = stage.a, stage.b
    stage.swarm()
    pairs = []
    for letter, net in NETS.items():
        stage.network(net, "overlay", attachable=True)
        left = a.container(f"left-{letter}", network=net)
        right = b.container(f"right-{letter}", f"{page('/srv', 1000)} && exec httpd -f -h /srv", network=net)
        pairs.append((net, left, right))
    for net, left, right in pairs:
        right.until("wget -q -O /dev/null http://127.0.0.1/")
        left.until(f"ping -c 1 -W 1 {right.address(net)}")

    with stage.listening(
        *(left.interface("eth0", f"{left.name}'s leg on {net}") for net, left, _ in pairs),
        *(a.overlay(net, "vxlan0", left, f"the VXLAN device of {net} on host A") for net, left, _ in pairs),
        a.parent("NIC of host A: VXLAN of both networks", capture_filter=NOT_THE_SWARM),
        b.parent("NIC of host B: VXLAN of both networks", capture_filter=NOT_THE_SWARM),
        *(b.overlay(net, "vxlan0", right, f"the VXLAN device of {net} on host B") for net, _, right in pairs),
        *(right.interface("eth0", f"{right.name}'s leg on {net}") for net, _, right in pairs),
    ):
        for net, left, right in pairs:
            stage.say(f"{left.name} to {right.name} on {net}: ping, HTTP")
            left.run(f"ping -c 3 -i 0.3 {right.address(net)}")
            left.run(f"wget -q -O /dev/null http://{right.address(net)}/")


def expect_model(seen: Seen) -> Pair:
    """the model is overlay"""
    return seen.model(), "overlay"


def expect_vni_of_each_network(seen: Seen) -> Pair:
    """on the wire there are two VNIs, each of the network that Docker gave it to"""
    seen.at(seen.parent(seen.a))
    known = {each.vni: each.name for each in seen.topology.networks if each.driver == "overlay"}
    found = {each["vni"]: each["network"] for each in seen.tunnels()}
    return (found, sorted(map(str, found.values()))), (known, sorted(NETS.values()))


def expect_vteps(seen: Seen) -> Pair:
    """both networks are between the same two hosts"""
    seen.at(seen.parent(seen.a))
    ends = tuple(sorted((seen.ip(seen.a), seen.ip(seen.b))))
    return {each["vni"]: tuple(each["vteps"]) for each in seen.tunnels()}, dict.fromkeys(seen.vnis(), ends)


def expect_each_its_own(seen: Seen) -> Pair:
    """in each VNI there are the two containers of its network, and no others"""
    seen.at(seen.parent(seen.a))
    inside = {each["network"]: set(each["inner_ips"]) for each in seen.tunnels()}
    return inside, {net: {seen.ip(f"left-{key}"), seen.ip(f"right-{key}")} for key, net in NETS.items()}


def expect_delivered(seen: Seen) -> Pair:
    """every ping is followed from container to container, across both VXLAN devices and both NICs"""
    ways = {key: seen.way("icmp", seen.ip(f"left-{key}"), seen.ip(f"right-{key}")) for key in NETS}
    return ways, {
        key: [
            f"{seen.a}/left-{key}/eth0",
            f"{seen.a}/overlay:{net}/vxlan0",
            seen.parent(seen.a),
            seen.parent(seen.b),
            f"{seen.b}/overlay:{net}/vxlan0",
            f"{seen.b}/right-{key}/eth0",
        ]
        for key, net in NETS.items()
    }


def expect_no_nat(seen: Seen) -> Pair:
    """nothing is translated"""
    return seen.rewritten(), set()
