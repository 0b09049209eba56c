"""bridge-hairpin: a published port from inside, through docker-proxy: two connections for one

                 host A
    ┌────────────────────────────────────────────────────────────────┐
    │   web  httpd :80            bbox                               │
    │   eth0 172.17.0.2           eth0 172.17.0.3                    │
    │     ▲                          │                               │
    │     └─────── docker0 ──────────┘                               │
    │       ▲     172.17.0.1         │ to 192.168.111.128:8080       │
    │       │ 2nd connection         ▼ 1st connection                │
    │       └─────────────── docker-proxy :8080 ◀── lo 127.0.0.1     │
    │                                                                │
    │                        ens33 192.168.111.128    nothing        │
    └────────────────────────────────────────────────────────────────┘

Builds  web (a web server, its port 80 published as 8080) and bbox on host A's default bridge. The daemon has its
        userland proxy, as Docker has it unless told otherwise.
Sends   web to bbox by ping: neighbours on docker0, straight.
        bbox to A:8080 by HTTP: a packet that comes from docker0 is not translated, docker-proxy answers it and
        opens a connection of its own to web, from 172.17.0.1.
        host A to 127.0.0.1:8080 by HTTP: docker-proxy too.
        host A to its own address, port 8080, by HTTP: translated before it is sent, with no proxy.
Listens at eth0 of both containers, docker0, lo and ens33 of host A.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, page

NEEDS_PEER = False
CONTAINERS, PORTS = ("web", "bbox"), (8080,)
NEIGHBOUR = "bridge-hairpin-noproxy"


def run(session: Session) -> None:
    a = session.a
    pages = " && ".join(page(f"/srv/{name}", size) for name, size in (("bbox", 1000), ("lo", 1500), ("own", 2000)))
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
        session.say("web to bbox: ping")
        web.run(f"ping -c 2 -i 0.3 {bbox.address()}")

        session.say(f"bbox to host {a.name}, port 8080: HTTP")
        bbox.run(get(f"http://{a.address}:8080/bbox/"))

        session.say(f"host {a.name} to 127.0.0.1:8080, and to its own address: HTTP")
        a.run(get("http://127.0.0.1:8080/lo/"))
        a.run(get(f"http://{a.address}:8080/own/"))


def check_model(observed: Observed) -> Comparison:
    """the model is bridge"""
    return observed.model(), "bridge"


def check_two_connections(observed: Observed) -> Comparison:
    """docker-proxy answers bbox, and clients over lo, and opens a second connection to web from 172.17.0.1"""
    for place in ("bbox/eth0", "lo", "docker0"):
        observed.point(f"{observed.a}/{place}")
    gateway, web, lo = observed.gateway("bridge"), observed.ip("web"), "127.0.0.1"
    clients = {(observed.ip("bbox"), observed.ip(observed.a)), (lo, lo)}
    return observed.proxied_connections(), {(src, dst, 8080, gateway, web, 80) for src, dst in clients}


def check_not_rewritten(observed: Observed) -> Comparison:
    """no packet is the same before and behind docker-proxy: nothing is translated"""
    return observed.translations(), set()


def check_client_lost(observed: Observed) -> Comparison:
    """web never meets bbox as a client: its clients are 172.17.0.1 and host A"""
    clients = {
        src
        for proto, src, dst in observed.flow_ends(f"{observed.a}/web/eth0")
        if (proto, dst) == ("tcp", observed.ip("web"))
    }
    return clients, {observed.gateway("bridge"), observed.ip(observed.a)}


def check_own_address_is_translated(observed: Observed) -> Comparison:
    """to its own address host A gets through without the proxy: on docker0 under its own address, not on lo"""
    a, web = observed.ip(observed.a), observed.ip("web")
    return (
        ("tcp", a, web) in observed.flow_ends(f"{observed.a}/docker0"),
        observed.flow_ends(f"{observed.a}/lo", about=a),
    ), (True, set())


def check_nothing_leaves(observed: Observed) -> Comparison:
    """nothing of it leaves host A"""
    return [observed.flow_ends(observed.parent(observed.a), about=observed.ip(name)) for name in ("web", "bbox")], [
        set()
    ] * 2
