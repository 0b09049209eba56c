"""macvlan-vlan: macvlan on an 802.1q interface, its frames tagged on the wire

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐              ┌──────────────────────────┐
    │   web  httpd :80           bbox              │              │                          │
    │   eth0 192.168.10.10       eth0 192.168.10.11│              │                          │
    │     └──────────┬─────────────┘               │              │                          │
    │             macvlan, mode bridge             │              │                          │
    │                │                             │              │                          │
    │      ens33.10 192.168.10.128, untagged here  │              │   ens33.10 192.168.10.129│
    │                │                             │              │      │                   │
    │             ens33      tag 10 ───────────────┼──── wire ────┼── ens33                  │
    └──────────────────────────────────────────────┘              └──────────────────────────┘

Builds  macvlan10, a macvlan network with parent ens33.10, which Docker makes for it (802.1q, VLAN 10) and removes
        with it; web and bbox on it. Both hosts have an address of their own in that VLAN, host B on an ens33.10 that is
        taken away afterwards.
Sends   bbox to web by ping and HTTP: at ens33.10, but neither at ens33 nor on the wire.
        bbox to host B by ping, host B to web by HTTP, host A to host B by ping: untagged at ens33.10, with the tag 10
        at ens33.
        host A to web by ping, which fails: the host's own macvlan children do not hear it, ARP goes unanswered.
Listens at eth0 of both containers, and at ens33.10 and ens33 of both hosts.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, web_server

NEEDS_PEER = True
CONTAINERS, NETWORKS = ("web", "bbox"), ("macvlan10",)
NEEDS_KERNEL: tuple[str, ...] = ("macvlan", "8021q")
NEIGHBOUR = "macvlan"

NET = "macvlan10"
VLAN = 10
SUBNET, GATEWAY = "192.168.10.0/24", "192.168.10.1"
SUBNETS = (SUBNET,)
WEB, BBOX, A, B = "192.168.10.10", "192.168.10.11", "192.168.10.128", "192.168.10.129"


def run(session: Session) -> None:
    a, b = session.a, session.b
    a.make_promiscuous()
    parent, peer = f"{a.nic}.{VLAN}", f"{b.nic}.{VLAN}"
    session.network(NET, "macvlan", subnet=SUBNET, gateway=GATEWAY, options={"parent": parent})
    web = a.container("web", web_server(3000), network=NET, address=WEB)
    bbox = a.container("bbox", network=NET, address=BBOX)
    a.change(f"ip addr add {A}/24 dev {parent}", undo=f"ip addr del {A}/24 dev {parent}")
    session.say(f"{b.name}: {peer}, {B}")
    b.change(f"ip link add link {b.nic} name {peer} type vlan id {VLAN}", undo=f"ip link del {peer}")
    b.change(f"ip addr add {B}/24 dev {peer} && ip link set dev {peer} up", undo="true")
    web.wait_until(get("http://127.0.0.1/"))
    bbox.wait_until(f"ping -c 1 -W 1 {B}")

    with session.listening(
        web.interface("eth0", "eth0 inside web, a macvlan child of ens33.10"),
        bbox.interface("eth0", "eth0 inside bbox, a macvlan child of ens33.10"),
        a.parent("NIC of host A: VLAN 10 with its tag"),
        a.interface(parent, "the parent of both: VLAN 10 without its tag"),
        b.parent("NIC of host B: VLAN 10 with its tag"),
        b.interface(peer, "host B's own interface in VLAN 10"),
    ):
        session.say("bbox to web: ping, HTTP")
        bbox.run(f"ping -c 3 -i 0.3 {WEB}")
        bbox.run(get(f"http://{WEB}/"))

        session.say(f"bbox to host {b.name}: ping; host {b.name} to web: HTTP")
        bbox.run(f"ping -c 3 -i 0.3 {B}")
        b.run(get(f"http://{WEB}/"))

        session.say(f"host {a.name} to host {b.name}: ping; to its own child web: no answer")
        a.run(f"ping -c 3 -i 0.3 {B}")
        a.expect_failure(f"ping -c 1 -W 2 {WEB}")


def check_model(observed: Observed) -> Comparison:
    """the model is macvlan"""
    return observed.model(), "macvlan"


def check_macs_of_their_own(observed: Observed) -> Comparison:
    """on the wire web and bbox have MACs of their own, as Docker gave them"""
    place = observed.parent(observed.b)
    macs = {name: observed.mac(name) for name in ("web", "bbox")}
    actual = {name: observed.addresses_of(mac, place) for name, mac in macs.items()}
    return (actual, len({*macs.values(), observed.mac(observed.a)})), ({name: {observed.ip(name)} for name in macs}, 3)


def check_on_the_vlan_not_on_the_nic(observed: Observed) -> Comparison:
    """what web and bbox say to each other is at ens33.10, and neither at ens33 nor at host B"""
    nics = (observed.parent(observed.a), observed.parent(observed.b))
    actual = [observed.address_pairs(place, WEB, BBOX) for place in (f"{nics[0]}.{VLAN}", *nics)]
    return actual, [{(WEB, BBOX), (BBOX, WEB)}, set(), set()]


def check_through_the_vlan(observed: Observed) -> Comparison:
    """bbox's ping to host B passes ens33.10, both NICs, ens33.10; nothing is translated"""
    nics = (observed.parent(observed.a), observed.parent(observed.b))
    path = [f"{observed.a}/bbox/eth0", f"{nics[0]}.{VLAN}", *nics, f"{nics[1]}.{VLAN}"]
    return (observed.path("icmp", BBOX, B), observed.translations()), (path, set())


def check_host_unanswered(observed: Observed) -> Comparison:
    """host A asks for its own child web in that VLAN, no answer comes, and the report says why"""
    observed.point(f"{observed.parent(observed.a)}.{VLAN}")
    facts = [each["facts"] for each in observed.findings("macvlan-host-isolation")]
    return {(each["host"], each["child"]) for each in facts}, {(A, WEB)}
