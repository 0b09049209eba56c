"""host: a container that is on the host's own network stack

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐              ┌──────────────────────────┐
    │   web  httpd :8000                           │              │                          │
    │    │   no interface of its own               │              │   web server  tcp 7000   │
    │    │                                         │              │                          │
    │    │   docker0 172.17.0.1    nothing         │              │                          │
    │    │                                         │              │                          │
    │    ├── lo 127.0.0.1                          │              │                          │
    │    └── ens33 192.168.111.128 ────────────────┼──── wire ────┼── ens33 192.168.111.129  │
    └──────────────────────────────────────────────┘              └──────────────────────────┘

Builds  web with --network host: a web server on port 8000 of the host itself; on host B a web server on port 7000.
Sends   web to host B by ping and HTTP: with the host's MAC and address, nothing is rewritten.
        host B to web by HTTP: straight to A:8000, no port is published.
        host A to web by HTTP over 127.0.0.1: they share lo too.
Listens at ens33 of both hosts, lo and docker0 of host A.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, web_server

NEEDS_PEER = True
CONTAINERS, PORTS, PEER_PORTS = ("web",), (8000,), (7000,)
NEIGHBOUR = "container"


def run(session: Session) -> None:
    a, b = session.a, session.b
    web = a.container("web", web_server(3000, port=8000), network="host")
    b.serve_http(7000)
    web.wait_until(get("http://127.0.0.1:8000/"))

    with session.listening(
        a.parent("NIC of host A, and of web"),
        a.interface("lo", "lo of host A, and of web"),
        a.interface("docker0", "the bridge of host A: nothing of web passes it"),
        b.parent("NIC of host B, at the other end of the wire"),
    ):
        session.say(f"web to host {b.name}: ping, HTTP")
        web.run(f"ping -c 3 -i 0.3 {b.address}")
        web.run(get(f"http://{b.address}:7000/"))

        session.say(f"host {b.name} to web: HTTP")
        b.run(get(f"http://{a.address}:8000/"))

        session.say(f"host {a.name} to web over 127.0.0.1: HTTP")
        a.run(get("http://127.0.0.1:8000/"))


def check_model(observed: Observed) -> Comparison:
    """the model is host"""
    return observed.model(), "host"


def check_the_hosts_own(observed: Observed) -> Comparison:
    """what web sends has the MAC of host A's NIC and its address, and no other"""
    return observed.addresses_of(observed.mac(observed.a), observed.parent(observed.a)), {observed.ip(observed.a)}


def check_the_same_at_b(observed: Observed) -> Comparison:
    """host B sees the same: ping and HTTP both ways between the two hosts' own addresses"""
    a, b = observed.ip(observed.a), observed.ip(observed.b)
    wanted = {(proto, *path) for proto in ("icmp", "tcp") for path in ((a, b), (b, a))}
    places = (observed.parent(observed.a), observed.parent(observed.b))
    return [observed.flow_ends(place, about=b) & wanted for place in places], [wanted, wanted]


def check_no_nat(observed: Observed) -> Comparison:
    """nothing is translated and no port is published"""
    return (observed.translations(), [each.ports for each in observed.topology.containers]), (set(), [[]])


def check_docker0_idle(observed: Observed) -> Comparison:
    """nothing of it passes docker0"""
    return observed.flow_ends(f"{observed.a}/docker0", about=observed.ip(observed.b)), set()


def check_shared_lo(observed: Observed) -> Comparison:
    """host A reaches web over its own lo"""
    flows = observed.flows(f"{observed.a}/lo", about="127.0.0.1", proto="tcp")
    return 8000 in {each["dport"] for each in flows}, True
