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

from capnet.scenario.expect import Pair, Seen
from capnet.scenario.stage import Stage, page

NEEDS_PEER = True
NEEDS_KERNEL: tuple[str, ...] = ("ipvlan",)

NET = "ipvlanA"


def play(stage: Stage) -> None:
    a, b = stage.a, stage.b
    first, second = a.free_addresses(2)
    stage.network(NET, "ipvlan", subnet=a.subnet, gateway=a.gateway, options={"parent": a.nic, "ipvlan_mode": "l2"})
    one = a.container("one", f"{page('/srv', 3000)} && exec httpd -f -h /srv", network=NET, address=first)
    two = a.container("two", network=NET, address=second)
    b.serve_http(7000)
    one.until("wget -q -O /dev/null http://127.0.0.1/")

    with stage.listening(
        one.interface("eth0", "eth0 inside one, a child of host A's NIC"),
        two.interface("eth0", "eth0 inside two, another child of it"),
        a.parent("NIC of host A, the parent of both"),
        b.parent("NIC of host B, at the other end of the wire"),
    ):
        stage.say("one to two: ping; two to one: HTTP")
        one.run(f"ping -c 3 -i 0.3 {second}")
        two.run(f"wget -q -O /dev/null http://{first}/")

        stage.say(f"one to host {b.name}: ping, HTTP")
        one.run(f"ping -c 3 -i 0.3 {b.address}")
        one.run(f"wget -q -O /dev/null http://{b.address}:7000/")

        stage.say(f"host {b.name} to one: ping, HTTP; to two: ping")
        b.run(f"ping -c 3 -i 0.3 {first}")
        b.run(f"wget -q -O /dev/null http://{first}/")
        b.run(f"ping -c 3 -i 0.3 {second}")

        stage.say(f"host {a.name} to host {b.name}: ping")
        a.run(f"ping -c 2 -i 0.3 {b.address}")


def expect_model(seen: Seen) -> Pair:
    """the model is ipvlan-l2"""
    return seen.model(), "ipvlan-l2"


def expect_one_mac(seen: Seen) -> Pair:
    """at host B the MAC of host A's NIC speaks for one, two and host A itself, and the report calls it shared"""
    place, mac = seen.parent(seen.b), seen.mac(seen.a)
    all_three = {seen.ip(name) for name in ("one", "two", seen.a)}
    shared = {(macs, frozenset(ips)) for macs, ips in seen.verdict("shared", place)}
    return (seen.speaks(mac, place), shared), (all_three, {((mac,), frozenset(all_three))})


def expect_the_same_as_docker_says(seen: Seen) -> Pair:
    """inside, one and two have that MAC too"""
    return {seen.mac(box) for box in ("one", "two")}, {seen.mac(seen.a)}


def expect_not_on_the_parent(seen: Seen) -> Pair:
    """what one and two say to each other is inside both, and not in the parent's capture"""
    one, two = seen.ip("one"), seen.ip("two")
    places = (f"{seen.a}/one/eth0", f"{seen.a}/two/eth0", seen.parent(seen.a))
    both = {(one, two), (two, one)}
    return [seen.pairs(place, one, two) for place in places], [both, both, set()]


def expect_straight_to_b(seen: Seen) -> Pair:
    """one and host B talk straight, both ways: nothing is translated or routed"""
    one, b = seen.ip("one"), seen.ip(seen.b)
    way = [f"{seen.a}/one/eth0", seen.parent(seen.a), seen.parent(seen.b)]
    found = (seen.way("tcp", one, b, dport=7000), seen.way("tcp", b, one, dport=80), seen.rewritten())
    return found, (way, way[::-1], set())


def expect_b_reaches_two(seen: Seen) -> Pair:
    """host B's ping reaches two, and is answered"""
    two, b = seen.ip("two"), seen.ip(seen.b)
    return seen.pairs(f"{seen.a}/two/eth0", two, b), {(two, b), (b, two)}
