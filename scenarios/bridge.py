"""bridge: two containers on docker0, out through masquerade, in through a published port

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐              ┌──────────────────────────┐
    │   web  httpd :80           bbox              │              │                          │
    │   eth0 172.17.0.2          eth0 172.17.0.3   │              │   web server  tcp 7000   │
    │     │                        │               │              │   name server udp 53     │
    │   vethXXXX                 vethYYYY          │              │                          │
    │     └─────── docker0 ────────┘               │              │                          │
    │            172.17.0.1                        │              │                          │
    │     masquerade │  ▲ -p 8080:80               │              │                          │
    │                ▼  │                          │              │                          │
    │              ens33 192.168.111.128 ──────────┼──── wire ────┼── ens33 192.168.111.129  │
    └──────────────────────────────────────────────┘              └──────────────────────────┘

Builds  web (a web server, its port 80 published as 8080) and bbox on host A's default bridge; on host B a web
        server on port 7000 and a name server, in the host's own network.
Sends   bbox to web by HTTP: switched on docker0, nothing is rewritten.
        bbox to host B by ping, HTTP and a DNS query: on ens33 the sender is host A (masquerade).
        host B to A:8080 by HTTP: on docker0 the destination is web:80 (DNAT), the sender still host B.
Listens at eth0 of both containers, the host ends of their veths, docker0, and ens33 of both hosts.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, web_server

NEEDS_PEER = False  # without host B, what is sent to it and from it is left out
CONTAINERS, PORTS, PEER_PORTS = ("web", "bbox"), (8080,), (7000,)
NEIGHBOUR = "bridge-user-defined"


def run(session: Session) -> None:
    a, b = session.a, session.peer
    web = a.container("web", web_server(3000), ports={80: 8080})
    bbox = a.container("bbox")
    if b:
        b.serve_http(7000)
        b.serve_dns()
    web.wait_until(get("http://127.0.0.1/"))

    with session.listening(
        web.interface("eth0", "eth0 inside web"),
        web.veth("eth0", "the host end of web's veth, a port of docker0"),
        bbox.interface("eth0", "eth0 inside bbox"),
        bbox.veth("eth0", "the host end of bbox's veth, a port of docker0"),
        a.interface("docker0", "the bridge of host A: before masquerade, after DNAT"),
        a.parent("NIC of host A: after masquerade, before DNAT"),
        b.parent("NIC of host B, at the other end of the wire") if b else None,
    ):
        session.say("bbox to web: HTTP")
        bbox.run(get(f"http://{web.address()}/"))

        if b:
            session.say(f"bbox to host {b.name}: ping, HTTP, DNS")
            bbox.run(f"ping -c 3 -i 0.3 {b.address}")
            bbox.run(get(f"http://{b.address}:7000/"))
            bbox.run(f"nslookup -type=a web.test {b.address} || true")  # no such name, says the answer

            session.say(f"host {b.name} to web through port 8080: HTTP")
            b.run(get(f"http://{a.address}:8080/"))


def check_model(observed: Observed) -> Comparison:
    """the model is bridge"""
    return observed.model(), "bridge"


def check_unchanged_inside(observed: Observed) -> Comparison:
    """bbox reaches web across both veths and docker0, unchanged"""
    path = observed.path("tcp", observed.ip("bbox"), observed.ip("web"), dport=80)
    a = observed.a
    return path, [f"{a}/bbox/eth0", observed.veth("bbox"), f"{a}/docker0", observed.veth("web"), f"{a}/web/eth0"]


def check_conntrack(observed: Observed) -> Comparison:
    """host A's connection table has the same translations, before and after"""
    observed.needs_peer()
    return observed.translations(), observed.conntrack_translations()


def check_masquerade(observed: Observed) -> Comparison:
    """to host B, bbox is host A, by ping, TCP and UDP"""
    observed.needs_peer()
    return observed.masqueraded_as("bbox"), dict.fromkeys(("icmp", "tcp", "udp"), observed.ip(observed.a))


def check_published_port(observed: Observed) -> Comparison:
    """host B reaches web through port 8080, and is host B still when it arrives"""
    path = observed.path("tcp", observed.ip(observed.b), observed.ip(observed.a), dport=8080)
    arrived = {
        src
        for proto, src, dst in observed.flow_ends(f"{observed.a}/web/eth0")
        if dst == observed.ip("web") and proto == "tcp"
    }
    parents = [observed.parent(observed.b), observed.parent(observed.a)]
    return (path, arrived), (
        [*parents, f"{observed.a}/docker0", observed.veth("web"), f"{observed.a}/web/eth0"],
        {observed.ip(observed.b), observed.ip("bbox")},
    )


def check_hidden_from_b(observed: Observed) -> Comparison:
    """host B never meets an address of a container"""
    return [observed.flow_ends(observed.parent(observed.b), about=observed.ip(name)) for name in ("web", "bbox")], [
        set()
    ] * 2
