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
        addresses that nobody else answers for; on host B a web server on port 7000. The parent is
        promiscuous meanwhile.
Sends   bbox to web by ping and HTTP: in the parent's capture, but never on the wire.
        bbox to host B by ping and HTTP, host B to web by HTTP: on the wire with the containers' own MACs.
        host A to web by ping, which fails: the host's own macvlan children do not hear it, ARP goes unanswered.
Listens at eth0 of both containers, and ens33 of both hosts.
"""

from capnet.scenario.expect import Pair, Seen
from capnet.scenario.stage import Stage, page

NEEDS_PEER = True
NEEDS_KERNEL: tuple[str, ...] = ("macvlan",)

NET = "macvnet"


def play(stage: Stage) -> None:
    a, b = stage.a, stage.b
    a.make_promiscuous()
    at_web, at_bbox = a.free_addresses(2)
    stage.network(NET, "macvlan", subnet=a.subnet, gateway=a.gateway, options={"parent": a.nic})
    web = a.container("web", f"{page('/srv', 3000)} && exec httpd -f -h /srv", network=NET, address=at_web)
    bbox = a.container("bbox", network=NET, address=at_bbox)
    b.serve_http(7000)
    web.until("wget -q -O /dev/null http://127.0.0.1/")

    with stage.listening(
        web.interface("eth0", "eth0 inside web, a macvlan child of host A's NIC"),
        bbox.interface("eth0", "eth0 inside bbox, a macvlan child of host A's NIC"),
        a.parent("NIC of host A, the parent of both"),
        b.parent("NIC of host B, at the other end of the wire"),
    ):
        stage.say("bbox to web: ping, HTTP")
        bbox.run(f"ping -c 3 -i 0.3 {web.address(NET)}")
        bbox.run(f"wget -q -O /dev/null http://{web.address(NET)}/")

        stage.say(f"bbox to host {b.name}: ping, HTTP")
        bbox.run(f"ping -c 3 -i 0.3 {b.address}")
        bbox.run(f"wget -q -O /dev/null http://{b.address}:7000/")

        stage.say(f"host {b.name} to web: HTTP")
        b.run(f"wget -q -O /dev/null http://{web.address(NET)}/")

        stage.say(f"host {a.name} to its own child web: no answer")
        a.fails(f"ping -c 1 -W 2 {web.address(NET)}")


def expect_model(seen: Seen) -> Pair:
    """the model is macvlan"""
    return seen.model(), "macvlan"


def expect_macs_of_their_own(seen: Seen) -> Pair:
    """behind host A's NIC web and bbox have MACs of their own, as Docker gave them"""
    place = seen.parent(seen.b)
    macs = {box: seen.mac(box) for box in ("web", "bbox")}
    found = {box: seen.speaks(mac, place) for box, mac in macs.items()}
    different = len({*macs.values(), seen.mac(seen.a)})
    return (found, different), ({box: {seen.ip(box)} for box in macs}, 3)


def expect_called_distinct(seen: Seen) -> Pair:
    """the report calls these MACs distinct"""
    found = {ips: macs for macs, ips in seen.verdict("distinct", seen.parent(seen.a))}
    boxes = sorted(("web", "bbox"), key=lambda box: seen.mac(box))
    return found, {tuple(seen.ip(box) for box in boxes): tuple(seen.mac(box) for box in boxes)}


def expect_on_the_parent_not_on_the_wire(seen: Seen) -> Pair:
    """what web and bbox say to each other is in the parent's capture, and not at host B"""
    web, bbox = seen.ip("web"), seen.ip("bbox")
    places = (seen.parent(seen.a), seen.parent(seen.b))
    return [seen.pairs(place, web, bbox) for place in places], [{(web, bbox), (bbox, web)}, set()]


def expect_straight_to_b(seen: Seen) -> Pair:
    """bbox and host B, host B and web talk straight: nothing is translated or routed"""
    bbox, parents = f"{seen.a}/bbox/eth0", [seen.parent(seen.a), seen.parent(seen.b)]
    out = seen.way("icmp", seen.ip("bbox"), seen.ip(seen.b))
    back = seen.way("tcp", seen.ip(seen.b), seen.ip("web"), dport=80)
    return (out, back, seen.rewritten()), ([bbox, *parents], [*parents[::-1], f"{seen.a}/web/eth0"], set())


def expect_host_unanswered(seen: Seen) -> Pair:
    """host A asks for its own child web, nobody answers, and the report says why"""
    seen.at(seen.parent(seen.a))
    facts = [each["facts"] for each in seen.findings("macvlan-host-isolation")]
    return [(each["host"], each["child"]) for each in facts], [(seen.ip(seen.a), seen.ip("web"))]
