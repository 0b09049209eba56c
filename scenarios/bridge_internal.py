"""bridge-internal: a bridge network without a way out (docker network create --internal)

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐              ┌──────────────────────────┐
    │   web  httpd :80           bbox              │              │                          │
    │   eth0 172.18.0.2          eth0 172.18.0.3   │              │   route to web           │
    │     │                      lo 127.0.0.11 ⟲ DNS              │   by way of host A       │
    │     └──── br-XXXXXXXXXXXX ───┘               │              │                          │
    │                ✕ nothing is forwarded        │              │                          │
    │                ✕ no port 8080                │              │                          │
    │              ens33 192.168.111.128 ──────────┼──── wire ────┼── ens33 192.168.111.129  │
    └──────────────────────────────────────────────┘              └──────────────────────────┘

Builds  backend, a bridge network made with --internal; on it web (a web server, started with -p 8080:80, which Docker
        does not publish on such a network) and bbox.
Sends   bbox to web by ping and HTTP, by name: switched on the bridge, nothing is rewritten.
        bbox to host B by ping: host A drops it. (A newer Docker gives bbox no default route, and it fails at once.)
        host B to A:8080 by HTTP: refused, because nothing listens there.
        host B to web by ping, with a route by way of host A: host A drops it (iptables, DOCKER-ISOLATION-STAGE-1).
Listens at lo and eth0 of bbox, eth0 of web, the host ends of their veths, the network's bridge, and ens33 of both
        hosts.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, web_server

NEEDS_PEER = False  # without host B, what is sent to it and from it is left out
CONTAINERS, NETWORKS, PORTS = ("web", "bbox"), ("backend",), (8080,)
NEIGHBOUR = "bridge-user-defined"

NET = "backend"
PORT = 8080
PINGS = 2  # in vain, each way


def run(session: Session) -> None:
    a, b = session.a, session.peer
    session.network(NET, "bridge", internal=True)
    web = a.container("web", web_server(2000), network=NET, ports={80: PORT})
    bbox = a.container("bbox", network=NET)
    web.wait_until(get("http://127.0.0.1/"))
    if b:
        route = f"{web.address(NET)} via {a.address}"
        b.change(f"ip route add {route}", undo=f"ip route del {route}")

    with session.listening(
        bbox.interface("lo", "lo inside bbox, where Docker's DNS server answers"),
        bbox.interface("eth0", "eth0 inside bbox"),
        bbox.veth("eth0", "the host end of bbox's veth, a port of the bridge"),
        a.bridge_of(NET, "the bridge of backend"),
        web.veth("eth0", "the host end of web's veth, a port of the bridge"),
        web.interface("eth0", "eth0 inside web"),
        a.parent("NIC of host A"),
        b.parent("NIC of host B, at the other end of the wire") if b else None,
    ):
        session.say("bbox to web, by name: ping, HTTP")
        bbox.run("ping -c 2 -i 0.3 web")
        bbox.run(get("http://web/"))

        if b:
            session.say(f"bbox to host {b.name}: ping, not answered")
            bbox.expect_failure(f"ping -c {PINGS} -W 1 {b.address}")

            session.say(f"host {b.name} to host {a.name}, port {PORT}: refused")
            b.expect_failure(get(f"http://{a.address}:{PORT}/"), saying="refused")

            session.say(f"host {b.name} to web by way of host {a.name}: ping, not answered")
            b.expect_failure(f"ping -c {PINGS} -W 1 {web.address(NET)}")


def check_model(observed: Observed) -> Comparison:
    """the model is bridge"""
    return observed.model(), "bridge"


def check_name(observed: Observed) -> Comparison:
    """bbox asks Docker's DNS server for web: on its own lo, at a port to which it is redirected, and nowhere else"""
    points = (f"{observed.a}/bbox/lo", f"{observed.a}/bbox/eth0", observed.bridge(NET))
    asked = [("udp", "127.0.0.1", "127.0.0.11") in observed.flow_ends(point) for point in points]
    return asked, [True, False, False]


def check_unchanged_inside(observed: Observed) -> Comparison:
    """ping and HTTP from bbox to web cross both veths and the network's bridge, unchanged"""
    paths = [observed.path(proto, observed.ip("bbox"), observed.ip("web")) for proto in ("icmp", "tcp")]
    middle = [observed.veth("bbox"), observed.bridge(NET), observed.veth("web")]
    return paths, [[f"{observed.a}/bbox/eth0", *middle, f"{observed.a}/web/eth0"]] * 2


def check_no_nat(observed: Observed) -> Comparison:
    """nothing is rewritten but the DNS queries inside bbox, and no port is published"""
    ports = [container.ports for container in observed.topology.containers]
    return (observed.translations(), ports), (set(), [[], []])


def check_no_way_out(observed: Observed) -> Comparison:
    """nothing of bbox or web gets out, as itself or as host A: at both NICs the only pings are host B's own"""
    bbox, web, b = observed.ip("bbox"), observed.ip("web"), observed.ip(observed.b)
    ends = [observed.flow_ends(observed.parent(host)) for host in (observed.a, observed.b)]
    pings = [{(src, dst) for proto, src, dst in at_nic if proto == "icmp"} for at_nic in ends]
    return (pings, [src for at_nic in ends for _, src, _ in at_nic if src in (bbox, web)]), ([{(b, web)}] * 2, [])


def check_no_way_in(observed: Observed) -> Comparison:
    """host B's pings to web arrive at host A's NIC, and go no further: neither to the bridge nor to web"""
    points = (observed.parent(observed.a), observed.bridge(NET), observed.veth("web"), f"{observed.a}/web/eth0")
    ping = ("icmp", observed.ip(observed.b), observed.ip("web"))
    return [ping in observed.flow_ends(point) for point in points], [True, False, False, False]


def check_no_published_port(observed: Observed) -> Comparison:
    """host A refuses its port 8080, and nothing of it gets to web"""
    a, b = observed.ip(observed.a), observed.ip(observed.b)
    at_nic = {(flow["src"], flow["dst"]) for flow in _of_port(observed, observed.parent(observed.a))}
    refused = [finding["name"] for finding in observed.findings("connection-refused")]
    inside = _of_port(observed, observed.bridge(NET)) + _of_port(observed, f"{observed.a}/web/eth0")
    return (at_nic, refused, inside), ({(b, a), (a, b)}, ["connection-refused"], [])


def _of_port(observed: Observed, point: str) -> list[dict[str, object]]:
    """The TCP flows at a point that are from or to port 8080, or between host B and web."""
    ends = {observed.ip(observed.b), observed.ip("web")}
    return [
        flow
        for flow in observed.flows(point, proto="tcp")
        if PORT in (flow["sport"], flow["dport"]) or {flow["src"], flow["dst"]} == ends
    ]
