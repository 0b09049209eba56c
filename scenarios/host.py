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

from capnet.scenario.expect import Pair, Seen
from capnet.scenario.stage import Stage, page

NEEDS_PEER = True


def play(stage: Stage) -> None:
    a, b = stage.a, stage.b
    web = a.container("web", f"{page('/srv', 3000)} && exec httpd -f -p 8000 -h /srv", network="host")
    b.serve_http(7000)
    web.until("wget -q -O /dev/null http://127.0.0.1:8000/")

    with stage.listening(
        a.parent("NIC of host A, and of web"),
        a.interface("lo", "lo of host A, and of web"),
        a.interface("docker0", "the bridge of host A: nothing of web passes it"),
        b.parent("NIC of host B, at the other end of the wire"),
    ):
        stage.say(f"web to host {b.name}: ping, HTTP")
        web.run(f"ping -c 3 -i 0.3 {b.address}")
        web.run(f"wget -q -O /dev/null http://{b.address}:7000/")

        stage.say(f"host {b.name} to web: HTTP")
        b.run(f"wget -q -O /dev/null http://{a.address}:8000/")

        stage.say(f"host {a.name} to web over 127.0.0.1: HTTP")
        a.run("wget -q -O /dev/null http://127.0.0.1:8000/")


def expect_model(seen: Seen) -> Pair:
    """the model is host"""
    return seen.model(), "host"


def expect_the_hosts_own(seen: Seen) -> Pair:
    """what web sends has the MAC of host A's NIC and its address, and no other"""
    return seen.speaks(seen.mac(seen.a), seen.parent(seen.a)), {seen.ip(seen.a)}


def expect_the_same_at_b(seen: Seen) -> Pair:
    """host B sees the same: ping and HTTP both ways between the two hosts' own addresses"""
    a, b = seen.ip(seen.a), seen.ip(seen.b)
    wanted = {(proto, *way) for proto in ("icmp", "tcp") for way in ((a, b), (b, a))}
    places = (seen.parent(seen.a), seen.parent(seen.b))
    return [seen.talk(place, about=b) & wanted for place in places], [wanted, wanted]


def expect_no_nat(seen: Seen) -> Pair:
    """nothing is translated and no port is published"""
    return (seen.rewritten(), [each.ports for each in seen.topology.containers]), (set(), [[]])


def expect_docker0_idle(seen: Seen) -> Pair:
    """nothing of it passes docker0"""
    return seen.talk(f"{seen.a}/docker0", about=seen.ip(seen.b)), set()


def expect_shared_lo(seen: Seen) -> Pair:
    """host A reaches web over its own lo"""
    flows = seen.flows(f"{seen.a}/lo", about="127.0.0.1", proto="tcp")
    return 8000 in {each["dport"] for each in flows}, True
