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

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, web_server

NEEDS_PEER = True
CONTAINERS, NETWORKS = ("left", "right"), ("vxlanE",)
NEEDS_KERNEL: tuple[str, ...] = ("vxlan", "esp")
NEIGHBOUR = "overlay"

NET = "vxlanE"
VNI = 7001
_NUMBER = "com.docker.network.driver.overlay.vxlanid_list"
NOT_THE_SWARM = "not port 2377 and not port 7946"


def run(session: Session) -> None:
    a, b = session.a, session.b
    session.swarm()
    # A number of its own: Docker 20.10 leaves the rules that encrypt it on both hosts, and swarm numbers its networks
    # from 4097 on, so the next one to get that number would be encrypted too.
    session.network(NET, "overlay", attachable=True, options={"encrypted": "", _NUMBER: str(VNI)})
    left = a.container("left", network=NET)
    right = b.container("right", web_server(3000), network=NET)
    right.wait_until(get("http://127.0.0.1/"))
    left.wait_until(f"ping -c 1 -W 1 {right.address(NET)}")

    with session.listening(
        left.interface("eth0", "left's leg on the overlay network"),
        a.overlay(NET, "vxlan0", left, "the overlay's VXLAN device on host A: before it is wrapped"),
        a.parent("NIC of host A: ESP to and from host B", capture_filter=NOT_THE_SWARM),
        b.parent("NIC of host B: ESP to and from host A", capture_filter=NOT_THE_SWARM),
        b.overlay(NET, "vxlan0", right, "the overlay's VXLAN device on host B: after it is unwrapped"),
        right.interface("eth0", "right's leg on the overlay network"),
    ):
        session.say("left to right: ping, HTTP")
        left.run(f"ping -c 3 -i 0.3 {right.address(NET)}")
        left.run(get(f"http://{right.address(NET)}/"))


def check_model(observed: Observed) -> Comparison:
    """the model is overlay"""
    return observed.model(), "overlay"


def check_esp_on_the_wire(observed: Observed) -> Comparison:
    """between the NICs there is ESP, encrypted, between both hosts"""
    places = {observed.parent(observed.a), observed.parent(observed.b)}
    for place in places:
        observed.point(place)
    ends = tuple(sorted((observed.ip(observed.a), observed.ip(observed.b))))
    actual = {(tuple(each["vteps"]), each["encrypted"]) for each in observed.tunnels() if each["kind"] == "esp"}
    return actual, {(ends, True)}


def check_nothing_to_read(observed: Observed) -> Comparison:
    """at neither NIC can left or right be read"""
    addresses = {observed.ip(name, NET) for name in ("left", "right")}
    places = (observed.parent(observed.a), observed.parent(observed.b))
    return [{each for _, *ends in observed.flow_ends(place) for each in ends} & addresses for place in places], [
        set()
    ] * 2


def check_plain_inside(observed: Observed) -> Comparison:
    """in vxlan0 of both hosts the ping and the HTTP between left and right are readable"""
    left, right = observed.ip("left", NET), observed.ip("right", NET)
    wanted = {(proto, *path) for proto in ("icmp", "tcp") for path in ((left, right), (right, left))}
    places = [f"{host}/overlay:{NET}/vxlan0" for host in (observed.a, observed.b)]
    return [observed.flow_ends(place, about=left) & wanted for place in places], [wanted, wanted]


def check_said(observed: Observed) -> Comparison:
    """the report says that the overlay is encrypted"""
    observed.point(observed.parent(observed.a))
    return bool(observed.findings("encrypted-overlay")), True
