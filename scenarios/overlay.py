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

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, page

NEEDS_PEER = True
CONTAINERS, NETWORKS = ("left", "right"), ("vxlanA",)
NEEDS_KERNEL: tuple[str, ...] = ("vxlan",)
NEIGHBOUR = "overlay-two"

NET = "vxlanA"
BULK = 24_000  # bytes; at eight points, and the golden capture is to stay small
NOT_THE_SWARM = "not port 2377 and not port 7946"


def run(session: Session) -> None:
    a, b = session.a, session.b
    session.swarm()
    session.network(NET, "overlay", attachable=True)
    left = a.container("left", network=NET)
    right = b.container(
        "right",
        f"{page('/srv', 1000)} && head -c {BULK} /dev/urandom >/srv/bulk && exec httpd -f -h /srv",
        network=NET,
    )
    for host in (a, b):
        host.serve_http(7000)
    right.wait_until(get("http://127.0.0.1/bulk"))
    left.wait_until(f"ping -c 1 -W 1 {right.address(NET)}")

    with session.listening(
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
        session.say("left to right: ping, HTTP, bulk")
        left.run(f"ping -c 3 -i 0.3 {right.address(NET)}")
        left.run(get(f"http://{right.address(NET)}/"))
        left.run(get(f"http://{right.address(NET)}/bulk"))

        for name, other in ((left, b), (right, a)):
            session.say(f"{name.name} to host {other.name}: ping, HTTP")
            name.run(f"ping -c 2 -i 0.3 {other.address}")
            name.run(get(f"http://{other.address}:7000/"))


def check_model(observed: Observed) -> Comparison:
    """the model is overlay"""
    return observed.model(), "overlay"


def check_vni_and_vteps(observed: Observed) -> Comparison:
    """on the wire there is VXLAN with the VNI that Docker gave vxlanA, between both hosts"""
    observed.point(observed.parent(observed.a))
    ends = tuple(sorted((observed.ip(observed.a), observed.ip(observed.b))))
    actual = {(each["vni"], each["network"], tuple(each["vteps"])) for each in observed.tunnels()}
    return actual, {(vni, NET, ends) for vni in observed.vnis()}


def check_containers_inside(observed: Observed) -> Comparison:
    """inside are left and right, and no others"""
    observed.point(observed.parent(observed.a))
    return {ip for each in observed.tunnels() for ip in each["inner_ips"]}, {
        observed.ip(name, NET) for name in ("left", "right")
    }


def check_delivered(observed: Observed) -> Comparison:
    """the ping is followed from container to container: across br0, vxlan0, both NICs, vxlan0, br0"""
    path = observed.path("icmp", observed.ip("left", NET), observed.ip("right", NET))
    inside = {host: [f"{host}/overlay:{NET}/{name}" for name in ("br0", "vxlan0")] for host in (observed.a, observed.b)}
    return path, [
        f"{observed.a}/left/eth0",
        *inside[observed.a],
        observed.parent(observed.a),
        observed.parent(observed.b),
        *reversed(inside[observed.b]),
        f"{observed.b}/right/eth0",
    ]


def check_conntrack(observed: Observed) -> Comparison:
    """out through docker_gwbridge both are masqueraded, as the connection tables of the hosts have it"""
    for host in (observed.a, observed.b):
        observed.point(f"{host}/docker_gwbridge")
    return observed.translations(), observed.conntrack_translations()


def check_masquerade(observed: Observed) -> Comparison:
    """to the other host each container is its own host, by ping and TCP"""
    for host in (observed.a, observed.b):
        observed.point(f"{host}/docker_gwbridge")
    actual = {name: observed.masqueraded_as(name, "docker_gwbridge") for name in ("left", "right")}
    return actual, {
        name: dict.fromkeys(("icmp", "tcp"), observed.ip(host))
        for name, host in (("left", observed.a), ("right", observed.b))
    }
