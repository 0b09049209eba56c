"""bridge-hairpin-noproxy: a published port from inside, with the kernel alone: one connection, translated

                 host A
    ┌────────────────────────────────────────────────────────────────┐
    │   web  httpd :80            bbox                               │
    │   eth0 172.17.0.2           eth0 172.17.0.3                    │
    │     ▲ │                        │                               │
    │     └─┴───── docker0 ──────────┘  hairpin mode at its ports    │
    │             172.17.0.1         │ to 192.168.111.128:8080       │
    │                ▲               ▼                               │
    │                └──── DNAT, and masquerade for web itself       │
    │                                                                │
    │                        ens33 192.168.111.128    nothing        │
    └────────────────────────────────────────────────────────────────┘

Builds  web (a web server, its port 80 published as 8080) and bbox on host A's default bridge. The daemon runs
        without its userland proxy (`"userland-proxy": false` in daemon.json).
Sends   bbox to A:8080 by HTTP: translated on docker0 to web:80.
        web to A:8080, which is itself, by HTTP: translated both ways, out of its port of the bridge and in again.
        host A to 127.0.0.1:8080, and to its own address, by HTTP: translated before it is sent.
Listens at eth0 of both containers, docker0, lo and ens33 of host A.
"""

from capnet.scenario.expect import Pair, Seen
from capnet.scenario.stage import Stage, page

NEEDS_PEER = False
DAEMON = {"userland-proxy": False}


def play(stage: Stage) -> None:
    a = stage.a
    pages = " && ".join(
        page(f"/srv/{name}", size) for name, size in (("bbox", 1000), ("lo", 1500), ("own", 2000), ("web", 2500))
    )
    web = a.container("web", f"{pages} && exec httpd -f -h /srv", ports={80: 8080})
    bbox = a.container("bbox")
    web.until("wget -q -O /dev/null http://127.0.0.1/bbox/")

    with stage.listening(
        bbox.interface("eth0", "eth0 inside bbox"),
        a.interface("docker0", "the bridge of host A"),
        web.interface("eth0", "eth0 inside web"),
        a.interface("lo", "lo of host A"),
        a.parent("NIC of host A: nothing leaves it"),
    ):
        stage.say(f"bbox to host {a.name}, port 8080: HTTP")
        bbox.run(f"wget -q -O /dev/null http://{a.address}:8080/bbox/")

        stage.say(f"web to host {a.name}, port 8080, which is itself: HTTP")
        web.run(f"wget -q -O /dev/null http://{a.address}:8080/web/")

        stage.say(f"host {a.name} to 127.0.0.1:8080, and to its own address: HTTP")
        a.run("wget -q -O /dev/null http://127.0.0.1:8080/lo/")
        a.run(f"wget -q -O /dev/null http://{a.address}:8080/own/")


def expect_model(seen: Seen) -> Pair:
    """the model is bridge"""
    return seen.model(), "bridge"


def expect_no_second_connection(seen: Seen) -> Pair:
    """no connection is proxied: Docker runs without its userland proxy"""
    seen.at(f"{seen.a}/docker0")
    return seen.proxied(), set()


def expect_bbox_is_translated(seen: Seen) -> Pair:
    """bbox's connection is translated to web:80 as host A's connection table has it, and keeps bbox's address"""
    seen.at(f"{seen.a}/docker0")
    source = f"{seen.ip('bbox')}:"
    found = {each for each in seen.rewritten() if each[1].startswith(source)}
    arrived = ("tcp", seen.ip("bbox"), seen.ip("web")) in seen.talk(f"{seen.a}/web/eth0")
    return (found, arrived), ({each for each in seen.conntrack() if each[1].startswith(source)}, True)


def expect_hairpin(seen: Seen) -> Pair:
    """web's connection to itself leaves eth0 towards host A and comes in again from 172.17.0.1"""
    web, a, gateway = seen.ip("web"), seen.ip(seen.a), seen.gateway("bridge")
    both = {("tcp", web, a), ("tcp", gateway, web)}
    return seen.talk(f"{seen.a}/web/eth0") & both, both


def expect_half_translated(seen: Seen) -> Pair:
    """in between, on docker0, it is from web to web: DNAT is done, masquerade is not"""
    web = seen.ip("web")
    return ("tcp", web, web) in seen.talk(f"{seen.a}/docker0"), True


def expect_not_on_lo(seen: Seen) -> Pair:
    """host A's connections to 127.0.0.1:8080 and to its own address are not on lo: translated before they are sent"""
    ports = {each["dport"] for each in seen.flows(f"{seen.a}/lo", proto="tcp")}
    return 8080 in ports, False


def expect_nothing_leaves(seen: Seen) -> Pair:
    """nothing of it leaves host A"""
    return [seen.talk(seen.parent(seen.a), about=seen.ip(box)) for box in ("web", "bbox")], [set(), set()]
