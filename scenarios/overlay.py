"""overlay: a Swarm network across two hosts, its frames in VXLAN on the wire

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐     ┌──────────────────────────────────────────────┐
    │            left                              │     │                              right           │
    │   eth1 172.18.0.3    eth0 10.0.1.2           │     │           eth0 10.0.1.4    eth1 172.18.0.3   │
    │     │                  │                     │     │                     │        │               │
    │     │          ┌───────┴── overlay ───────┐  │     │  ┌── overlay ───────┴──────┐ │               │
    │     │          │      br0                 │  │     │  │                 br0     │ │               │
    │     │          │       │                  │  │     │  │                  │      │ │               │
    │     │          │     vxlan0  VNI 4097     │  │     │  │     VNI 4097  vxlan0    │ │               │
    │     │          └───────┬──────────────────┘  │     │  └──────────────────┬──────┘ │               │
    │   docker_gwbridge      │ udp 4789            │     │             udp 4789│   docker_gwbridge      │
    │     │ masquerade       ▼                     │     │                     ▼        │ masquerade    │
    │     └─────────▶ ens33 192.168.111.128 ───────┼wire─┼─────── ens33 192.168.111.129 ◀┘              │
    └──────────────────────────────────────────────┘     └──────────────────────────────────────────────┘

Builds  a swarm of both hosts (or uses the one they are in), an attachable overlay network vxlanA, a container
        on each host: left on A, right on B. Each container has a second leg, on its host's docker_gwbridge.
Sends   left to right by ping, HTTP and a bulk transfer over TCP: in VXLAN on the wire, unchanged inside.
        left and right to the other host's own address by ping and HTTP: through docker_gwbridge, masqueraded.
Listens at both legs of both containers, br0 and vxlan0 in the overlay's namespace, docker_gwbridge, and ens33 of
        both hosts; on ens33 without the swarm's own talk (2377, 7946), unless --capture asks for it.
"""

from capnet.scenario.expect import Pair, Seen
from capnet.scenario.stage import Stage, page

NEEDS_PEER = True
NEEDS_KERNEL: tuple[str, ...] = ("vxlan",)

NET = "vxlanA"
BULK = 24_000  # bytes; at eight points, and the golden capture is to stay small
NOT_THE_SWARM = "not port 2377 and not port 7946"


def play(stage: Stage) -> None:
    a, b = stage.a, stage.b
    stage.swarm()
    stage.network(NET, "overlay", attachable=True)
    left = a.container("left", network=NET)
    right = b.container(
        "right",
        f"{page('/srv', 1000)} && head -c {BULK} /dev/urandom >/srv/bulk && exec httpd -f -h /srv",
        network=NET,
    )
    for host in (a, b):
        host.serve_http(7000)
    right.until("wget -q -O /dev/null http://127.0.0.1/bulk")
    left.until(f"ping -c 1 -W 1 {right.address(NET)}")

    with stage.listening(
        left.interface("eth0", "left's leg on the overlay network"),
        a.overlay(NET, "br0", left, "the overlay's bridge on host A"),
        a.overlay(NET, "vxlan0", left, "the overlay's VXLAN device on host A: before it is wrapped"),
        a.parent("NIC of host A: VXLAN to and from host B", capture_filter=NOT_THE_SWARM),
        b.parent("NIC of host B: VXLAN to and from host A", capture_filter=NOT_THE_SWARM),
        b.overlay(NET, "vxlan0", right, "the overlay's VXLAN device on host B: after it is unwrapped"),
        b.overlay(NET, "br0", right, "the overlay's bridge on host B"),
        right.interface("eth0", "right's leg on the overlay network"),
        left.interface("eth1", "left's leg on docker_gwbridge"),
        a.interface("docker_gwbridge", "host A's bridge for what leaves the swarm: before masquerade"),
        right.interface("eth1", "right's leg on docker_gwbridge"),
        b.interface("docker_gwbridge", "host B's bridge for what leaves the swarm: before masquerade"),
    ):
        stage.say("left to right: ping, HTTP, bulk")
        left.run(f"ping -c 3 -i 0.3 {right.address(NET)}")
        left.run(f"wget -q -O /dev/null http://{right.address(NET)}/")
        left.run(f"wget -q -O /dev/null http://{right.address(NET)}/bulk")

        for box, other in ((left, b), (right, a)):
            stage.say(f"{box.name} to host {other.name}: ping, HTTP")
            box.run(f"ping -c 2 -i 0.3 {other.address}")
            box.run(f"wget -q -O /dev/null http://{other.address}:7000/")


def expect_model(seen: Seen) -> Pair:
    """the model is overlay"""
    return seen.model(), "overlay"


def expect_vni_and_vteps(seen: Seen) -> Pair:
    """on the wire there is VXLAN with the VNI that Docker gave vxlanA, between both hosts"""
    seen.at(seen.parent(seen.a))
    ends = tuple(sorted((seen.ip(seen.a), seen.ip(seen.b))))
    found = {(each["vni"], each["network"], tuple(each["vteps"])) for each in seen.tunnels()}
    return found, {(vni, NET, ends) for vni in seen.vnis()}


def expect_containers_inside(seen: Seen) -> Pair:
    """inside are left and right, and nobody else"""
    seen.at(seen.parent(seen.a))
    return {ip for each in seen.tunnels() for ip in each["inner_ips"]}, {seen.ip(box, NET) for box in ("left", "right")}


def expect_delivered(seen: Seen) -> Pair:
    """the ping is followed from container to container: across br0, vxlan0, both NICs, vxlan0, br0"""
    way = seen.way("icmp", seen.ip("left", NET), seen.ip("right", NET))
    inside = {host: [f"{host}/overlay:{NET}/{name}" for name in ("br0", "vxlan0")] for host in (seen.a, seen.b)}
    return way, [
        f"{seen.a}/left/eth0",
        *inside[seen.a],
        seen.parent(seen.a),
        seen.parent(seen.b),
        *reversed(inside[seen.b]),
        f"{seen.b}/right/eth0",
    ]


def expect_conntrack(seen: Seen) -> Pair:
    """out through docker_gwbridge both are masqueraded, as the connection tables of the hosts have it"""
    for host in (seen.a, seen.b):
        seen.at(f"{host}/docker_gwbridge")
    return seen.rewritten(), seen.conntrack()


def expect_masquerade(seen: Seen) -> Pair:
    """to the other host each container is its own host, by ping and TCP"""
    for host in (seen.a, seen.b):
        seen.at(f"{host}/docker_gwbridge")
    found = {box: seen.apparent(box, "docker_gwbridge") for box in ("left", "right")}
    return found, {
        box: dict.fromkeys(("icmp", "tcp"), seen.ip(host)) for box, host in (("left", seen.a), ("right", seen.b))
    }
