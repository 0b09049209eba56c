"""ipvlan-l2: two containers on the parent's own network, behind the parent's one MAC

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐              ┌──────────────────────────┐
    │   one  httpd :80            two              │              │   web server  tcp 7000   │
    │   eth0 192.168.111.10       eth0 .11         │              │                          │
    │     │    MAC of ens33        │ MAC of ens33  │              │                          │
    │     └───── ipvlan, L2 ───────┘               │              │                          │
    │       one to two: handed over here           │              │                          │
    │                │                             │              │                          │
    │              ens33 192.168.111.128 ──────────┼──── wire ────┼── ens33 192.168.111.129  │
    └──────────────────────────────────────────────┘              └──────────────────────────┘

Builds  an ipvlan network in mode L2 on the NIC of host A, with that NIC's subnet and gateway; two containers on it,
        with addresses that were free there: one (a web server) and two. On host B a web server on port 7000.
Sends   one to two by ping, two to one by HTTP: the driver hands the packets over, the parent never sees them.
        one to host B by ping and HTTP; host B to one by ping and HTTP, host B to two by ping; host A to host B by
        ping: no NAT, and one MAC for host A, one and two.
Listens at eth0 of both containers, and ens33 of both hosts.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, web_server

NEEDS_PEER = False  # without host B, what is sent to it and from it is left out
CONTAINERS, NETWORKS, PEER_PORTS = ("one", "two"), ("ipvlanA",), (7000,)
NEEDS_KERNEL: tuple[str, ...] = ("ipvlan",)
NEIGHBOUR = "ipvlan-l3"

NET = "ipvlanA"


def run(session: Session) -> None:
    a, b = session.a, session.peer
    first, second = a.free_addresses(2)
    session.network(NET, "ipvlan", subnet=a.subnet, gateway=a.gateway, options={"parent": a.nic, "ipvlan_mode": "l2"})
    one = a.container("one", web_server(3000), network=NET, address=first)
    two = a.container("two", network=NET, address=second)
    if b:
        b.serve_http(7000)
    one.wait_until(get("http://127.0.0.1/"))

    with session.listening(
        one.interface("eth0", "eth0 inside one, a child of host A's NIC"),
        two.interface("eth0", "eth0 inside two, another child of it"),
        a.parent("NIC of host A, the parent of both"),
        b.parent("NIC of host B, at the other end of the wire") if b else None,
    ):
        session.say("one to two: ping; two to one: HTTP")
        one.run(f"ping -c 3 -i 0.3 {second}")
        two.run(get(f"http://{first}/"))

        if b:
            session.say(f"one to host {b.name}: ping, HTTP")
            one.run(f"ping -c 3 -i 0.3 {b.address}")
            one.run(get(f"http://{b.address}:7000/"))

            session.say(f"host {b.name} to one: ping, HTTP; to two: ping")
            b.run(f"ping -c 3 -i 0.3 {first}")
            b.run(get(f"http://{first}/"))
            b.run(f"ping -c 3 -i 0.3 {second}")

            session.say(f"host {a.name} to host {b.name}: ping")
            a.run(f"ping -c 2 -i 0.3 {b.address}")


def check_model(observed: Observed) -> Comparison:
    """the model is ipvlan-l2"""
    return observed.model(), "ipvlan-l2"


def check_one_mac(observed: Observed) -> Comparison:
    """at host B the MAC of host A's NIC speaks for one, two and host A itself, and the report calls it shared"""
    place, mac = observed.parent(observed.b), observed.mac(observed.a)
    all_three = {observed.ip(name) for name in ("one", "two", observed.a)}
    shared = {(macs, frozenset(ips)) for macs, ips in observed.mac_verdicts("shared", place)}
    return (observed.addresses_of(mac, place), shared), (all_three, {((mac,), frozenset(all_three))})


def check_the_same_as_docker_says(observed: Observed) -> Comparison:
    """inside, one and two have that MAC too"""
    return {observed.mac(name) for name in ("one", "two")}, {observed.mac(observed.a)}


def check_not_on_the_parent(observed: Observed) -> Comparison:
    """what one and two say to each other is inside both, and not in the parent's capture"""
    one, two = observed.ip("one"), observed.ip("two")
    places = (f"{observed.a}/one/eth0", f"{observed.a}/two/eth0", observed.parent(observed.a))
    both = {(one, two), (two, one)}
    return [observed.address_pairs(place, one, two) for place in places], [both, both, set()]


def check_straight_to_b(observed: Observed) -> Comparison:
    """one and host B talk straight, both ways: nothing is translated or routed"""
    one, b = observed.ip("one"), observed.ip(observed.b)
    path = [f"{observed.a}/one/eth0", observed.parent(observed.a), observed.parent(observed.b)]
    actual = (observed.path("tcp", one, b, dport=7000), observed.path("tcp", b, one, dport=80), observed.translations())
    return actual, (path, path[::-1], set())


def check_b_reaches_two(observed: Observed) -> Comparison:
    """host B's ping reaches two, and is answered"""
    two, b = observed.ip("two"), observed.ip(observed.b)
    return observed.address_pairs(f"{observed.a}/two/eth0", two, b), {(two, b), (b, two)}
