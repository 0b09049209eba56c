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

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, page

NEEDS_PEER = False
CONTAINERS, PORTS = ("web", "bbox"), (8080,)
NEIGHBOUR = "bridge-hairpin"
DAEMON = {"userland-proxy": False}


def run(session: Session) -> None:
    a = session.a
    pages = " && ".join(
        page(f"/srv/{name}", size) for name, size in (("bbox", 1000), ("lo", 1500), ("own", 2000), ("web", 2500))
    )
    web = a.container("web", f"{pages} && exec httpd -f -h /srv", ports={80: 8080})
    bbox = a.container("bbox")
    web.wait_until(get("http://127.0.0.1/bbox/"))

    with session.listening(
        bbox.interface("eth0", "eth0 inside bbox"),
        a.interface("docker0", "the bridge of host A"),
        web.interface("eth0", "eth0 inside web"),
        a.interface("lo", "lo of host A"),
        a.parent("NIC of host A: nothing leaves it"),
    ):
        session.say(f"bbox to host {a.name}, port 8080: HTTP")
        bbox.run(get(f"http://{a.address}:8080/bbox/"))

        session.say(f"web to host {a.name}, port 8080, which is itself: HTTP")
        web.run(get(f"http://{a.address}:8080/web/"))

        session.say(f"host {a.name} to 127.0.0.1:8080, and to its own address: HTTP")
        a.run(get("http://127.0.0.1:8080/lo/"))
        a.run(get(f"http://{a.address}:8080/own/"))


def check_model(observed: Observed) -> Comparison:
    """the model is bridge"""
    return observed.model(), "bridge"


def check_no_second_connection(observed: Observed) -> Comparison:
    """no connection is proxied: Docker runs without its userland proxy"""
    observed.point(f"{observed.a}/docker0")
    return observed.proxied_connections(), set()


def check_bbox_is_translated(observed: Observed) -> Comparison:
    """bbox's connection is translated to web:80 as host A's connection table has it, and keeps bbox's address"""
    observed.point(f"{observed.a}/docker0")
    source = f"{observed.ip('bbox')}:"
    actual = {each for each in observed.translations() if each[1].startswith(source)}
    arrived = ("tcp", observed.ip("bbox"), observed.ip("web")) in observed.flow_ends(f"{observed.a}/web/eth0")
    return (actual, arrived), ({each for each in observed.conntrack_translations() if each[1].startswith(source)}, True)


def check_hairpin(observed: Observed) -> Comparison:
    """web's connection to itself leaves eth0 towards host A and comes in again from 172.17.0.1"""
    web, a, gateway = observed.ip("web"), observed.ip(observed.a), observed.gateway("bridge")
    both = {("tcp", web, a), ("tcp", gateway, web)}
    return observed.flow_ends(f"{observed.a}/web/eth0") & both, both


def check_half_translated(observed: Observed) -> Comparison:
    """in between, on docker0, it is from web to web: DNAT is done, masquerade is not"""
    web = observed.ip("web")
    return ("tcp", web, web) in observed.flow_ends(f"{observed.a}/docker0"), True


def check_not_on_lo(observed: Observed) -> Comparison:
    """host A's connections to 127.0.0.1:8080 and to its own address are not on lo: translated before they are sent"""
    ports = {each["dport"] for each in observed.flows(f"{observed.a}/lo", proto="tcp")}
    return 8080 in ports, False


def check_nothing_leaves(observed: Observed) -> Comparison:
    """nothing of it leaves host A"""
    return [observed.flow_ends(observed.parent(observed.a), about=observed.ip(name)) for name in ("web", "bbox")], [
        set()
    ] * 2
