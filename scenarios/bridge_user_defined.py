"""bridge-user-defined: a bridge network of one's own, with names (Docker's DNS server) and IPv6

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐              ┌──────────────────────────┐
    │   web  httpd :80           bbox              │              │                          │
    │   eth0 172.18.0.2          eth0 172.18.0.3   │              │   web server  tcp 7000   │
    │   2001:db8:111::2          2001:db8:111::3   │              │                          │
    │     │                      lo 127.0.0.11 ⟲ DNS              │                          │
    │     └──── br-XXXXXXXXXXXX ───┘               │              │                          │
    │      172.18.0.1  2001:db8:111::1             │              │                          │
    │                │ masquerade                  │              │                          │
    │              ens33 192.168.111.128 ──────────┼──── wire ────┼── ens33 192.168.111.129  │
    └──────────────────────────────────────────────┘              └──────────────────────────┘

Builds  appnet, a bridge network with a subnet of each IP version; web (a web server) and bbox on it; on host B a
        web server on port 7000.
Sends   bbox asks Docker's DNS server for web: the query never leaves bbox's lo, where it is sent to 127.0.0.11:53 and
        redirected to a port of dockerd's choice.
        bbox to web by ping and HTTP over IPv4 and over IPv6: switched, nothing is rewritten.
        bbox to host B by ping and HTTP: masqueraded like on docker0.
Listens at lo and eth0 of bbox, the network's bridge, eth0 of web, docker0, and ens33 of both hosts.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, web_server

NEEDS_PEER = False  # without host B, what is sent to it is left out
CONTAINERS, NETWORKS, PEER_PORTS = ("web", "bbox"), ("appnet",), (7000,)
NEIGHBOUR = "bridge"

NET = "appnet"
IPV6 = "2001:db8:111::/64"  # a prefix for documentation: routed nowhere (RFC 3849)
SUBNETS = (IPV6,)


def run(session: Session) -> None:
    a, b = session.a, session.peer
    session.network(NET, "bridge", subnet=IPV6, enable_ipv6=True)
    web = a.container("web", web_server(2000), network=NET)
    bbox = a.container("bbox", network=NET)
    if b:
        b.serve_http(7000)
    web.wait_until(get("http://127.0.0.1/"))
    bbox.wait_until(f"ping -6 -c 1 -W 1 {web.address(NET, version=6)}")  # both addresses are no longer tentative

    with session.listening(
        bbox.interface("lo", "lo inside bbox, where Docker's DNS server answers"),
        bbox.interface("eth0", "eth0 inside bbox"),
        a.bridge_of(NET, "the bridge of appnet"),
        web.interface("eth0", "eth0 inside web"),
        a.interface("docker0", "the default bridge, which has nothing to do with it"),
        a.parent("NIC of host A: after masquerade"),
        b.parent("NIC of host B, at the other end of the wire") if b else None,
    ):
        session.say("bbox asks for web: DNS")
        bbox.run("nslookup -type=a web 127.0.0.11")

        session.say("bbox to web: ping and HTTP, IPv4 and IPv6")
        bbox.run(f"ping -c 2 -i 0.3 {web.address(NET)}")
        bbox.run(get(f"http://{web.address(NET)}/"))
        bbox.run(f"ping -6 -c 2 -i 0.3 {web.address(NET, version=6)}")
        bbox.run(get(f"http://[{web.address(NET, version=6)}]/"))

        if b:
            session.say(f"bbox to host {b.name}: ping, HTTP")
            bbox.run(f"ping -c 2 -i 0.3 {b.address}")
            bbox.run(get(f"http://{b.address}:7000/"))


def check_model(observed: Observed) -> Comparison:
    """the model is bridge"""
    return observed.model(), "bridge"


def check_dns_stays_inside(observed: Observed) -> Comparison:
    """the query for web goes to 127.0.0.11 on bbox's lo, and nowhere else"""
    places = (f"{observed.a}/bbox/lo", f"{observed.a}/bbox/eth0", f"{observed.a}/web/eth0")
    asked = {place: ("udp", "127.0.0.1", "127.0.0.11") in observed.flow_ends(place) for place in places}
    return asked, dict(zip(places, (True, False, False), strict=True))


def check_dns_redirected(observed: Observed) -> Comparison:
    """on lo the query is redirected already: not to port 53, from which the answer comes"""
    flows = observed.flows(f"{observed.a}/bbox/lo", about="127.0.0.11", proto="udp")
    ports = {("asked" if each["dst"] == "127.0.0.11" else "answers"): each for each in flows}
    return (ports["asked"]["dport"] != 53, ports["answers"]["sport"]), (True, 53)


def check_both_versions_unchanged(observed: Observed) -> Comparison:
    """ping and HTTP from bbox to web cross the bridge unchanged, IPv4 and IPv6 alike"""
    paths = {
        (proto, version): observed.path(
            proto, observed.ip("bbox", version=version), observed.ip("web", version=version)
        )
        for proto, version in (("tcp", 4), ("icmp", 4), ("tcp", 6), ("icmpv6", 6))
    }
    return paths, {key: [f"{observed.a}/bbox/eth0", observed.bridge(NET), f"{observed.a}/web/eth0"] for key in paths}


def check_masquerade(observed: Observed) -> Comparison:
    """bbox is host A to host B; host A's connection table has the same translations"""
    observed.needs_peer()
    return (observed.translations(), observed.masqueraded_as("bbox")), (
        observed.conntrack_translations(),
        {"icmp": observed.ip(observed.a), "tcp": observed.ip(observed.a)},
    )


def check_docker0_idle(observed: Observed) -> Comparison:
    """docker0 has nothing to do with it"""
    return [observed.flow_ends(f"{observed.a}/docker0", about=observed.ip(name)) for name in ("web", "bbox")], [
        set()
    ] * 2
