"""overlay-encrypted: a Swarm network with `--opt encrypted`, ESP on the wire, VXLAN in plain inside

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐     ┌──────────────────────────────────────────────┐
    │            left                              │     │                              right           │
    │            eth0 10.0.1.2                     │     │                     eth0 10.0.1.4            │
    │              │                               │     │                              │               │
    │      ┌───────┴── overlay ───────┐            │     │            ┌── overlay ──────┴──────┐        │
    │      │ br0 ── vxlan0  VNI 7001  │            │     │            │ VNI 7001  vxlan0 ── br0 │        │
    │      └───────┬──────────────────┘            │     │            └──────────┬──────────────┘        │
    │      VXLAN   │ udp 4789: readable here       │     │                       │                       │
    │      ESP     ▼ AES-GCM, a key per direction  │     │                       ▼                       │
    │            ens33 192.168.111.128 ────────────┼wire─┼───────────── ens33 192.168.111.129            │
    └──────────────────────────────────────────────┘     └──────────────────────────────────────────────┘

Builds  a swarm of both hosts (or uses the one they are in), an attachable overlay network vxlanE with the option
        `encrypted`, a container on each host: left on A, right on B.
Sends   left to right by ping and HTTP: in vxlan0's capture the frames are what the containers sent; between the
        NICs there is ESP in transport mode, one security association per direction, and nothing to read.
Listens at eth0 of both containers, vxlan0 in the overlay's namespace and ens33 of both hosts; on ens33 without the
        swarm's own talk (2377, 7946), unless --capture asks for it.
"""

from capnet.scenario.expect import Pair, Seen
from capnet.scenario.stage import Stage, page

NEEDS_PEER = True
NEEDS_KERNEL: tuple[str, ...] = ("vxlan", "esp")

NET = "vxlanE"
VNI = 7001
_NUMBER = "com.docker.network.driver.overlay.vxlanid_list"
NOT_THE_SWARM = "not port 2377 and not port 7946"


def play(stage: Stage) -> None:
    a, b = stage.a, stage.b
    stage.swarm()
    # A number of its own: Docker 20.10 leaves the rules that encrypt it on both hosts, and swarm numbers its networks
    # from 4097 on, so the next one to get that number would be encrypted too.
    stage.network(NET, "overlay", attachable=True, options={"encrypted": "", _NUMBER: str(VNI)})
    left = a.container("left", network=NET)
    right = b.container("right", f"{page('/srv', 3000)} && exec httpd -f -h /srv", network=NET)
    right.until("wget -q -O /dev/null http://127.0.0.1/")
    left.until(f"ping -c 1 -W 1 {right.address(NET)}")

    with stage.listening(
        left.interface("eth0", "left's leg on the overlay network"),
        a.overlay(NET, "vxlan0", left, "the overlay's VXLAN device on host A: before it is wrapped"),
        a.parent("NIC of host A: ESP to and from host B", capture_filter=NOT_THE_SWARM),
        b.parent("NIC of host B: ESP to and from host A", capture_filter=NOT_THE_SWARM),
        b.overlay(NET, "vxlan0", right, "the overlay's VXLAN device on host B: after it is unwrapped"),
        right.interface("eth0", "right's leg on the overlay network"),
    ):
        stage.say("left to right: ping, HTTP")
        left.run(f"ping -c 3 -i 0.3 {right.address(NET)}")
        left.run(f"wget -q -O /dev/null http://{right.address(NET)}/")


def expect_model(seen: Seen) -> Pair:
    """the model is overlay"""
    return seen.model(), "overlay"


def expect_esp_on_the_wire(seen: Seen) -> Pair:
    """between the NICs there is ESP, encrypted, between both hosts"""
    places = {seen.parent(seen.a), seen.parent(seen.b)}
    for place in places:
        seen.at(place)
    ends = tuple(sorted((seen.ip(seen.a), seen.ip(seen.b))))
    found = {(tuple(each["vteps"]), each["encrypted"]) for each in seen.tunnels() if each["kind"] == "esp"}
    return found, {(ends, True)}


def expect_nothing_to_read(seen: Seen) -> Pair:
    """at neither NIC can left or right be read"""
    boxes = {seen.ip(box, NET) for box in ("left", "right")}
    places = (seen.parent(seen.a), seen.parent(seen.b))
    return [{each for _, *ends in seen.talk(place) for each in ends} & boxes for place in places], [set(), set()]


def expect_plain_inside(seen: Seen) -> Pair:
    """in vxlan0 of both hosts the ping and the HTTP between left and right are readable"""
    left, right = seen.ip("left", NET), seen.ip("right", NET)
    wanted = {(proto, *way) for proto in ("icmp", "tcp") for way in ((left, right), (right, left))}
    places = [f"{host}/overlay:{NET}/vxlan0" for host in (seen.a, seen.b)]
    return [seen.talk(place, about=left) & wanted for place in places], [wanted, wanted]


def expect_said(seen: Seen) -> Pair:
    """the report says that the overlay is encrypted"""
    seen.at(seen.parent(seen.a))
    return bool(seen.findings("encrypted-overlay")), True
