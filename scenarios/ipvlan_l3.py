"""ipvlan-l3: two subnets behind one parent that routes; unreachable from outside until there is a route

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐              ┌──────────────────────────┐
    │   one  httpd :80            two              │              │                          │
    │   eth0 10.0.1.2/24          eth0 10.0.2.2/24 │              │   first no way to 10.0.* │
    │     │    MAC of ens33        │ MAC of ens33  │              │   then ip route add      │
    │     └───── ipvlan, L3 ───────┘               │              │     10.0.1.0/24 via A    │
    │       routed by the driver: no ARP,          │              │     10.0.2.0/24 via A    │
    │       the TTL stays  │                       │              │                          │
    │                      ▼                       │              │                          │
    │              ens33 192.168.111.128 ──────────┼──── wire ────┼── ens33 192.168.111.129  │
    └──────────────────────────────────────────────┘              └──────────────────────────┘

Builds  an ipvlan network in mode L3 on the NIC of host A, with the subnets 10.0.1.0/24 and 10.0.2.0/24; a container in
        each: one (a web server) and two.
Sends   one to two by ping, two to one by HTTP: from subnet to subnet without a router, and without ARP.
        one to host B, and host B to one, by ping: each request arrives or leaves, no answer ever comes back.
        Then host B gets routes to both subnets by way of host A, and both directions work: ping and HTTP to one,
        ping to two, ping from one. Afterwards the routes are taken back.
Listens at eth0 of both containers, and ens33 of both hosts.
"""

from capnet.scenario.expect import Pair, Seen
from capnet.scenario.stage import Stage, page

NEEDS_PEER = True
NEEDS_KERNEL: tuple[str, ...] = ("ipvlan",)

NET = "ipvlanA"
SUBNETS = ("10.0.1.0/24", "10.0.2.0/24")
ONE, TWO = "10.0.1.2", "10.0.2.2"
ASTRAY, HEARD = 2, 3  # pings between one and host B, without and with a route back


def play(stage: Stage) -> None:
    a, b = stage.a, stage.b
    stage.network(NET, "ipvlan", subnet=SUBNETS, options={"parent": a.nic, "ipvlan_mode": "l3"})
    one = a.container("one", f"{page('/srv', 3000)} && exec httpd -f -h /srv", network=NET, address=ONE)
    two = a.container("two", network=NET, address=TWO)
    one.until("wget -q -O /dev/null http://127.0.0.1/")

    with stage.listening(
        one.interface("eth0", "eth0 inside one, a child of host A's NIC"),
        two.interface("eth0", "eth0 inside two, another child of it, in another subnet"),
        a.parent("NIC of host A, the parent of both"),
        b.parent("NIC of host B, at the other end of the wire"),
    ):
        stage.say("one to two: ping; two to one: HTTP")
        one.run(f"ping -c 3 -i 0.3 {TWO}")
        two.run(f"wget -q -O /dev/null http://{ONE}/")

        stage.say(f"one to host {b.name} and back: ping, while host {b.name} has no route to {SUBNETS[0]}")
        one.fails(f"ping -c {ASTRAY} -W 1 {b.address}")
        b.fails(f"ping -c {ASTRAY} -W 1 {ONE}")

        for subnet in SUBNETS:
            route = f"{subnet} via {a.address}"
            stage.say(f"host {b.name}: ip route add {route}")
            b.change(f"ip route add {route}", undo=f"ip route del {route}")
        stage.say(f"host {b.name} to one: ping, HTTP; to two: ping; one to host {b.name}: ping")
        b.run(f"ping -c {HEARD} -i 0.3 {ONE}")
        b.run(f"wget -q -O /dev/null http://{ONE}/")
        b.run(f"ping -c 3 -i 0.3 {TWO}")
        one.run(f"ping -c {HEARD} -i 0.3 {b.address}")


def expect_model(seen: Seen) -> Pair:
    """the model is ipvlan-l3"""
    return seen.model(), "ipvlan-l3"


def expect_one_mac(seen: Seen) -> Pair:
    """at host B the MAC of host A's NIC speaks for one and two, which have that MAC inside too"""
    place, mac = seen.parent(seen.b), seen.mac(seen.a)
    return (seen.speaks(mac, place) & {ONE, TWO}, {seen.mac(box) for box in ("one", "two")}), ({ONE, TWO}, {mac})


def expect_not_on_the_parent(seen: Seen) -> Pair:
    """between the subnets the packets are inside both containers, and not in the parent's capture"""
    places = (f"{seen.a}/one/eth0", f"{seen.a}/two/eth0", seen.parent(seen.a))
    both = {(ONE, TWO), (TWO, ONE)}
    return [seen.pairs(place, ONE, TWO) for place in places], [both, both, set()]


def expect_ttl_stays(seen: Seen) -> Pair:
    """from one subnet to the other, and to host B, the TTL stays: no router is in between"""
    seen.at(f"{seen.a}/one/eth0")
    ends = {ONE, TWO, seen.ip(seen.b)}
    paths = [each for each in seen.report["paths"] if {each["flow"]["src"], each["flow"]["dst"]} <= ends]
    return {len({hop["ttl"] for hop in each["hops"]}) for each in paths}, {1}


def expect_no_arp(seen: Seen) -> Pair:
    """nobody asks for one or two by ARP, and nobody answers for them"""
    reasons = " ".join(each for model in seen.report["models"][:1] for each in model["because"])
    return (seen.findings("arp-unanswered"), "never resolved by ARP" in reasons), ([], True)


def expect_unreachable_then_reachable(seen: Seen) -> Pair:
    """before host B has its routes, one's ping and host B's are not answered; with them each ping and HTTP is"""
    b = seen.ip(seen.b)
    inside, wire = f"{seen.a}/one/eth0", seen.parent(seen.b)
    way = [wire, seen.parent(seen.a), inside]
    echoes = (_echoes(seen, wire, ONE, b), _echoes(seen, wire, b, ONE), _echoes(seen, inside, b, ONE))
    # What host B is sent; what it sends, of which its own requests and its answers to one go astray; what arrives.
    expected = (ASTRAY + 2 * HEARD, 2 * ASTRAY + 2 * HEARD, 2 * HEARD)
    return (echoes, seen.way("tcp", b, ONE, dport=80)), (expected, way)


def _echoes(seen: Seen, point: str, src: str, dst: str) -> int:
    """How many ICMP echoes, requests or answers, passed a point from one address to another.

    Not told apart by their identifiers: busybox's ping takes its process number, and two containers may count alike.
    """
    flows = seen.flows(point, about=src, proto="icmp")
    return sum(each["packets"] for each in flows if (each["src"], each["dst"]) == (src, dst) and each["id"] is not None)
