"""bridge-clash: two containers with the same source port and ICMP id, so that masquerade must rewrite one

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐              ┌──────────────────────────┐
    │   left                     right             │              │                          │
    │   eth0 172.17.0.2          eth0 172.17.0.3   │              │   web server  tcp 7000   │
    │   port 5555, id 200        port 5555, id 200 │              │   name server udp 53     │
    │     └─────── docker0 ────────┘               │              │                          │
    │                │ masquerade: one of them gets another port or id                       │
    │              ens33 192.168.111.128 ──────────┼──── wire ────┼── ens33 192.168.111.129  │
    └──────────────────────────────────────────────┘              └──────────────────────────┘

Builds  left and right on host A's default bridge, whose connections all leave from port 5555; on host B a web
        server on port 7000 and a name server.
Sends   left to right by ping: neighbours on docker0, nothing is rewritten.
        left, then right, to host B by HTTP, a DNS query, and a ping with identifier 200.
        To host B both are host A: each tuple can be used once, and the second connection gets another.
Listens at eth0 of both containers, docker0, and ens33 of both hosts.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, ping_as

NEEDS_PEER = True
CONTAINERS, PEER_PORTS = ("left", "right"), (7000,)
NEIGHBOUR = "bridge"

PORT = 5555
IDENT = 200


def run(session: Session) -> None:
    a, b = session.a, session.b
    left = a.container("left", source_port=PORT)
    right = a.container("right", source_port=PORT)
    b.serve_http(7000)
    b.serve_dns()

    with session.listening(
        left.interface("eth0", "eth0 inside left"),
        right.interface("eth0", "eth0 inside right"),
        a.interface("docker0", "the bridge of host A: before masquerade"),
        a.parent("NIC of host A: after masquerade"),
        b.parent("NIC of host B, at the other end of the wire"),
    ):
        session.say("left to right: ping")
        left.run(f"ping -c 2 -i 0.3 {right.address()}")

        for container in (left, right):
            session.say(f"{container.name} to host {b.name} from port {PORT}: HTTP, DNS")
            container.run(get(f"http://{b.address}:7000/"))
            container.run(f"nslookup -type=a web.test {b.address} || true")  # no such name, says the answer

            session.say(f"{container.name} to host {b.name} with id {IDENT}: ping")
            container.run(ping_as(IDENT, b.address))


def check_model(observed: Observed) -> Comparison:
    """the model is bridge"""
    return observed.model(), "bridge"


def check_conntrack(observed: Observed) -> Comparison:
    """host A's connection table has the same translations, before and after"""
    return observed.translations(), observed.conntrack_translations()


def check_same_tuples(observed: Observed) -> Comparison:
    """on docker0 left and right use the same port and the same id"""
    sent = [row["before"] for row in observed.nat_rows()]
    used = {(each["src"], each["sport"] or each["id"]) for each in sent}
    return used, {(observed.ip(name), number) for name in ("left", "right") for number in (PORT, IDENT)}


def check_one_of_two(observed: Observed) -> Comparison:
    """of each pair one keeps its port or id and the other gets a new one"""
    kept = sorted((row["proto"], row["port_rewritten"]) for row in observed.nat_rows())
    return kept, [(proto, rewritten) for proto in ("icmp", "tcp", "udp") for rewritten in (False, True)]


def check_apart_on_the_wire(observed: Observed) -> Comparison:
    """at host B no two of them are alike, and all come from host A"""
    after = [row["after"] for row in observed.nat_rows()]
    tuples = {(row["proto"], row["after"]["sport"] or row["after"]["id"]) for row in observed.nat_rows()}
    return ({each["src"] for each in after}, len(tuples)), ({observed.ip(observed.a)}, 6)
