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

from capnet.scenario.expect import Pair, Seen
from capnet.scenario.stage import Stage, page

NEEDS_PEER = True


def play(stage: Stage) -> None:
    a, b = stage.a, stage.b
    web = a.container("web", f"{page('/srv', 3000)} && exec httpd -f -h /srv", ports={80: 8080})
    bbox = a.container("bbox")
    b.serve_http(7000)
    b.serve_dns()
    web.until("wget -q -O /dev/null http://127.0.0.1/")

    with stage.listening(
        web.interface("eth0", "eth0 inside web"),
        web.veth("eth0", "the host end of web's veth, a port of docker0"),
        bbox.interface("eth0", "eth0 inside bbox"),
        bbox.veth("eth0", "the host end of bbox's veth, a port of docker0"),
        a.interface("docker0", "the bridge of host A: before masquerade, after DNAT"),
        a.parent("NIC of host A: after masquerade, before DNAT"),
        b.parent("NIC of host B, at the other end of the wire"),
    ):
        stage.say("bbox to web: HTTP")
        bbox.run(f"wget -q -O /dev/null http://{web.address()}/")

        stage.say(f"bbox to host {b.name}: ping, HTTP, DNS")
        bbox.run(f"ping -c 3 -i 0.3 {b.address}")
        bbox.run(f"wget -q -O /dev/null http://{b.address}:7000/")
        bbox.run(f"nslookup -type=a web.test {b.address} || true")  # no such name, says the answer

        stage.say(f"host {b.name} to web through port 8080: HTTP")
        b.run(f"wget -q -O /dev/null http://{a.address}:8080/")


def expect_model(seen: Seen) -> Pair:
    """the model is bridge"""
    return seen.model(), "bridge"


def expect_unchanged_inside(seen: Seen) -> Pair:
    """bbox reaches web across both veths and docker0, unchanged"""
    way = seen.way("tcp", seen.ip("bbox"), seen.ip("web"), dport=80)
    a = seen.a
    return way, [f"{a}/bbox/eth0", seen.veth("bbox"), f"{a}/docker0", seen.veth("web"), f"{a}/web/eth0"]


def expect_conntrack(seen: Seen) -> Pair:
    """host A's connection table has the same translations, before and after"""
    return seen.rewritten(), seen.conntrack()


def expect_masquerade(seen: Seen) -> Pair:
    """to host B, bbox is host A, by ping, TCP and UDP"""
    return seen.apparent("bbox"), dict.fromkeys(("icmp", "tcp", "udp"), seen.ip(seen.a))


def expect_published_port(seen: Seen) -> Pair:
    """host B reaches web through port 8080, and is host B still when it arrives"""
    way = seen.way("tcp", seen.ip(seen.b), seen.ip(seen.a), dport=8080)
    arrived = {src for proto, src, dst in seen.talk(f"{seen.a}/web/eth0") if dst == seen.ip("web") and proto == "tcp"}
    parents = [seen.parent(seen.b), seen.parent(seen.a)]
    return (way, arrived), (
        [*parents, f"{seen.a}/docker0", seen.veth("web"), f"{seen.a}/web/eth0"],
        {seen.ip(seen.b), seen.ip("bbox")},
    )


def expect_hidden_from_b(seen: Seen) -> Pair:
    """host B never meets an address of a container"""
    return [seen.talk(seen.parent(seen.b), about=seen.ip(box)) for box in ("web", "bbox")], [set(), set()]
