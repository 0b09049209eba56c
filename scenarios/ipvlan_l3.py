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

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, web_server

NEEDS_PEER = True
CONTAINERS, NETWORKS = ("one", "two"), ("ipvlanA",)
NEEDS_KERNEL: tuple[str, ...] = ("ipvlan",)
NEIGHBOUR = "ipvlan-l2"

NET = "ipvlanA"
SUBNETS = ("10.0.1.0/24", "10.0.2.0/24")
ONE, TWO = "10.0.1.2", "10.0.2.2"
ASTRAY, HEARD = 2, 3  # pings between one and host B, without and with a route back


def run(session: Session) -> None:
    a, b = session.a, session.b
    session.network(NET, "ipvlan", subnet=SUBNETS, options={"parent": a.nic, "ipvlan_mode": "l3"})
    one = a.container("one", web_server(3000), network=NET, address=ONE)
    two = a.container("two", network=NET, address=TWO)
    one.wait_until(get("http://127.0.0.1/"))

    with session.listening(
        one.interface("eth0", "eth0 inside one, a child of host A's NIC"),
        two.interface("eth0", "eth0 inside two, another child of it, in another subnet"),
        a.parent("NIC of host A, the parent of both"),
        b.parent("NIC of host B, at the other end of the wire"),
    ):
        session.say("one to two: ping; two to one: HTTP")
        one.run(f"ping -c 3 -i 0.3 {TWO}")
        two.run(get(f"http://{ONE}/"))

        session.say(f"one to host {b.name} and back: ping, while host {b.name} has no route to {SUBNETS[0]}")
        one.expect_failure(f"ping -c {ASTRAY} -W 1 {b.address}")
        b.expect_failure(f"ping -c {ASTRAY} -W 1 {ONE}")

        for subnet in SUBNETS:
            route = f"{subnet} via {a.address}"
            session.say(f"host {b.name}: ip route add {route}")
            b.change(f"ip route add {route}", undo=f"ip route del {route}")
        session.say(f"host {b.name} to one: ping, HTTP; to two: ping; one to host {b.name}: ping")
        b.run(f"ping -c {HEARD} -i 0.3 {ONE}")
        b.run(get(f"http://{ONE}/"))
        b.run(f"ping -c 3 -i 0.3 {TWO}")
        one.run(f"ping -c {HEARD} -i 0.3 {b.address}")


def check_model(observed: Observed) -> Comparison:
    """the model is ipvlan-l3"""
    return observed.model(), "ipvlan-l3"


def check_one_mac(observed: Observed) -> Comparison:
    """at host B the MAC of host A's NIC speaks for one and two, which have that MAC inside too"""
    place, mac = observed.parent(observed.b), observed.mac(observed.a)
    return (observed.addresses_of(mac, place) & {ONE, TWO}, {observed.mac(name) for name in ("one", "two")}), (
        {ONE, TWO},
        {mac},
    )


def check_not_on_the_parent(observed: Observed) -> Comparison:
    """between the subnets the packets are inside both containers, and not in the parent's capture"""
    places = (f"{observed.a}/one/eth0", f"{observed.a}/two/eth0", observed.parent(observed.a))
    both = {(ONE, TWO), (TWO, ONE)}
    return [observed.address_pairs(place, ONE, TWO) for place in places], [both, both, set()]


def check_ttl_stays(observed: Observed) -> Comparison:
    """from one subnet to the other, and to host B, the TTL stays: no router is in between"""
    observed.point(f"{observed.a}/one/eth0")
    ends = {ONE, TWO, observed.ip(observed.b)}
    paths = [each for each in observed.report["paths"] if {each["flow"]["src"], each["flow"]["dst"]} <= ends]
    return {len({hop["ttl"] for hop in each["hops"]}) for each in paths}, {1}


def check_no_arp(observed: Observed) -> Comparison:
    """no ARP request asks for one or two, and none is answered for them"""
    reasons = " ".join(each for model in observed.report["models"][:1] for each in model["because"])
    return (observed.findings("arp-unanswered"), "never resolved by ARP" in reasons), ([], True)


def check_unreachable_then_reachable(observed: Observed) -> Comparison:
    """before host B has its routes, one's ping and host B's are not answered; with them each ping and HTTP is"""
    b = observed.ip(observed.b)
    inside, wire = f"{observed.a}/one/eth0", observed.parent(observed.b)
    path = [wire, observed.parent(observed.a), inside]
    echoes = (_echoes(observed, wire, ONE, b), _echoes(observed, wire, b, ONE), _echoes(observed, inside, b, ONE))
    # What host B is sent; what it sends, of which its own requests and its answers to one go astray; what arrives.
    expected = (ASTRAY + 2 * HEARD, 2 * ASTRAY + 2 * HEARD, 2 * HEARD)
    return (echoes, observed.path("tcp", b, ONE, dport=80)), (expected, path)


def _echoes(observed: Observed, point: str, src: str, dst: str) -> int:
    """How many ICMP echoes, requests or answers, passed a point from one address to another.

    Not told apart by their identifiers: busybox's ping takes its process number, and two containers may count alike.
    """
    flows = observed.flows(point, about=src, proto="icmp")
    return sum(each["packets"] for each in flows if (each["src"], each["dst"]) == (src, dst) and each["id"] is not None)
