"""macvlan: containers with MACs of their own on the host's NIC, neighbours of host B

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐              ┌──────────────────────────┐
    │   web  httpd :80           bbox              │              │                          │
    │   eth0 192.168.111.10      eth0 192.168.111.11              │   web server  tcp 7000   │
    │   its own MAC              its own MAC       │              │                          │
    │     └──────────┬─────────────┘               │              │                          │
    │             macvlan, mode bridge             │              │                          │
    │                │                             │              │                          │
    │              ens33 192.168.111.128 ──────────┼──── wire ────┼── ens33 192.168.111.129  │
    │              (promiscuous)                   │              │                          │
    └──────────────────────────────────────────────┘              └──────────────────────────┘

Builds  macvnet, a macvlan network with parent ens33 and the subnet of the hosts; web and bbox on it, at two
        addresses that no other host answers for; on host B a web server on port 7000. The parent is
        promiscuous meanwhile.
Sends   bbox to web by ping and HTTP: in the parent's capture, but never on the wire.
        bbox to host B by ping and HTTP, host B to web by HTTP: on the wire with the containers' own MACs.
        host A to web by ping, which fails: the host's own macvlan children do not hear it, ARP goes unanswered.
Listens at eth0 of both containers, and ens33 of both hosts.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, web_server

NEEDS_PEER = False  # without host B, what is sent to it and from it is left out
CONTAINERS, NETWORKS, PEER_PORTS = ("web", "bbox"), ("macvnet",), (7000,)
NEEDS_KERNEL: tuple[str, ...] = ("macvlan",)
NEIGHBOUR = "host"

NET = "macvnet"


def run(session: Session) -> None:
    a, b = session.a, session.peer
    a.make_promiscuous()
    at_web, at_bbox = a.free_addresses(2)
    session.network(NET, "macvlan", subnet=a.subnet, gateway=a.gateway, options={"parent": a.nic})
    web = a.container("web", web_server(3000), network=NET, address=at_web)
    bbox = a.container("bbox", network=NET, address=at_bbox)
    if b:
        b.serve_http(7000)
    web.wait_until(get("http://127.0.0.1/"))

    with session.listening(
        web.interface("eth0", "eth0 inside web, a macvlan child of host A's NIC"),
        bbox.interface("eth0", "eth0 inside bbox, a macvlan child of host A's NIC"),
        a.parent("NIC of host A, the parent of both"),
        b.parent("NIC of host B, at the other end of the wire") if b else None,
    ):
        session.say("bbox to web: ping, HTTP")
        bbox.run(f"ping -c 3 -i 0.3 {web.address(NET)}")
        bbox.run(get(f"http://{web.address(NET)}/"))

        if b:
            session.say(f"bbox to host {b.name}: ping, HTTP")
            bbox.run(f"ping -c 3 -i 0.3 {b.address}")
            bbox.run(get(f"http://{b.address}:7000/"))

            session.say(f"host {b.name} to web: HTTP")
            b.run(get(f"http://{web.address(NET)}/"))

        session.say(f"host {a.name} to its own child web: no answer")
        a.expect_failure(f"ping -c 1 -W 2 {web.address(NET)}")


def check_model(observed: Observed) -> Comparison:
    """the model is macvlan"""
    return observed.model(), "macvlan"


def check_macs_of_their_own(observed: Observed) -> Comparison:
    """behind host A's NIC web and bbox have MACs of their own, as Docker gave them"""
    place = observed.parent(observed.b)
    macs = {name: observed.mac(name) for name in ("web", "bbox")}
    actual = {name: observed.addresses_of(mac, place) for name, mac in macs.items()}
    different = len({*macs.values(), observed.mac(observed.a)})
    return (actual, different), ({name: {observed.ip(name)} for name in macs}, 3)


def check_called_distinct(observed: Observed) -> Comparison:
    """the report calls these MACs distinct"""
    verdicts = observed.mac_verdicts("distinct", observed.parent(observed.a))
    actual = [set(zip(macs, ips, strict=True)) for macs, ips in verdicts]
    return actual, [{(observed.mac(name), observed.ip(name)) for name in ("web", "bbox")}]


def check_on_the_parent_not_on_the_wire(observed: Observed) -> Comparison:
    """what web and bbox say to each other is in the parent's capture, and not at host B"""
    web, bbox = observed.ip("web"), observed.ip("bbox")
    places = (observed.parent(observed.a), observed.parent(observed.b))
    return [observed.address_pairs(place, web, bbox) for place in places], [{(web, bbox), (bbox, web)}, set()]


def check_straight_to_b(observed: Observed) -> Comparison:
    """bbox and host B, host B and web talk straight: nothing is translated or routed"""
    bbox, parents = f"{observed.a}/bbox/eth0", [observed.parent(observed.a), observed.parent(observed.b)]
    out = observed.path("icmp", observed.ip("bbox"), observed.ip(observed.b))
    back = observed.path("tcp", observed.ip(observed.b), observed.ip("web"), dport=80)
    return (out, back, observed.translations()), ([bbox, *parents], [*parents[::-1], f"{observed.a}/web/eth0"], set())


def check_host_unanswered(observed: Observed) -> Comparison:
    """host A asks for its own child web, no answer comes, and the report says why"""
    observed.point(observed.parent(observed.a))
    facts = [each["facts"] for each in observed.findings("macvlan-host-isolation")]
    return [(each["host"], each["child"]) for each in facts], [(observed.ip(observed.a), observed.ip("web"))]
