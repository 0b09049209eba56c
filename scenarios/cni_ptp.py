"""cni-ptp: pods without a bridge, each on a veth of its own, between which the host routes

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐              ┌──────────────────────────┐
    │   web  httpd :80           app               │              │                          │
    │   eth0 10.244.1.2          eth0 10.244.1.3   │              │   web server  tcp 7000   │
    │     │                        │               │              │                          │
    │   vethXXXX 10.244.1.1      vethYYYY 10.244.1.1              │                          │
    │     │     routed: TTL − 1    │               │              │                          │
    │     └──────────┬─────────────┘               │              │                          │
    │     masquerade │  ▲ hostPort 8080 → 80       │              │                          │
    │                ▼  │                          │              │                          │
    │              ens33 192.168.111.128 ──────────┼──── wire ────┼── ens33 192.168.111.129  │
    └──────────────────────────────────────────────┘              └──────────────────────────┘

Builds  web (a web server, its port 80 at host port 8080) and app: containers without a network of Docker, to which the
        CNI plugins ptp and portmap give one; on host B a web server on port 7000.
Sends   app to web by ping and HTTP: through the host, which routes (TTL - 1) and has another MAC at each veth.
        app to host B by ping and HTTP: on ens33 the sender is host A (masquerade).
        host B to A:8080 by HTTP: at web's veth the destination is web:80 (DNAT), the sender still host B.
Listens at eth0 of both pods, the host ends of their veths, and ens33 of both hosts.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.pods.pod_network import routed_pods
from capnet.scenario.session import Session, get, web_server
from capnet.topology import Interface

NEEDS_PEER = False  # without host B, what is sent to it and from it is left out
CONTAINERS, PORTS, PEER_PORTS = ("web", "app"), (8080,), (7000,)
PLUGINS = ("ptp", "portmap")
NEIGHBOUR = "cni-bridge"

SUBNET = "10.244.1.0/24"


def run(session: Session) -> None:
    a, b = session.a, session.peer
    pods = routed_pods(a, SUBNET)
    web = pods.pod("web", web_server(3000), ports={80: 8080})
    app = pods.pod("app")
    if b:
        b.serve_http(7000)
    web.wait_until(get("http://127.0.0.1/"))

    with session.listening(
        web.interface("eth0", "eth0 inside the pod web"),
        web.veth("eth0", "the host end of web's veth, web's gateway"),
        app.interface("eth0", "eth0 inside the pod app"),
        app.veth("eth0", "the host end of app's veth, app's gateway"),
        a.parent("NIC of host A: after masquerade, before DNAT"),
        b.parent("NIC of host B, at the other end of the wire") if b else None,
    ):
        session.say("app to web: ping, HTTP")
        app.run(f"ping -c 3 -i 0.3 {web.address()}")
        app.run(get(f"http://{web.address()}/"))

        if b:
            session.say(f"app to host {b.name}: ping, HTTP")
            app.run(f"ping -c 3 -i 0.3 {b.address}")
            app.run(get(f"http://{b.address}:7000/"))

            session.say(f"host {b.name} to web through host port 8080: HTTP")
            b.run(get(f"http://{a.address}:8080/"))


def check_model(observed: Observed) -> Comparison:
    """the model is ptp"""
    return observed.model(), "ptp"


def check_routed_between_pods(observed: Observed) -> Comparison:
    """app reaches web by ping and HTTP over both veths; the host between them lowers the TTL from 64 to 63"""
    a, ends = observed.a, (observed.ip("app"), observed.ip("web"))
    way = (f"{a}/app/eth0", observed.veth("app"), observed.veth("web"), f"{a}/web/eth0")
    ways = [observed.paths(proto, *ends) for proto in ("icmp", "tcp")]
    return (ways, [observed.ttls(point, *ends) for point in way]), ([{way}] * 2, [{64}, {64}, {63}, {63}])


def check_gateway_of_each_pod(observed: Observed) -> Comparison:
    """the gateway has one address, and at each veth the MAC of that veth, as the host has it"""
    macs = {observed.veth(name): _host_end(observed, name).mac for name in ("web", "app")}
    gateways = [observed.addresses_of(str(mac), veth) & {"10.244.1.1"} for veth, mac in macs.items()]
    return (gateways, len(set(macs.values()))), ([{"10.244.1.1"}] * 2, 2)


def check_no_bridge(observed: Observed) -> Comparison:
    """neither veth is a port of a bridge; no network of Docker has the pods"""
    masters = [_host_end(observed, name).master for name in ("web", "app")]
    networks = {endpoint.network for each in observed.topology.containers for endpoint in each.endpoints}
    return (masters, networks), ([None, None], {""})


def check_conntrack(observed: Observed) -> Comparison:
    """host A's connection table has the same translations, before and after"""
    observed.needs_peer()
    return observed.translations(), observed.conntrack_translations()


def check_masquerade(observed: Observed) -> Comparison:
    """to host B, app is host A, by ping and TCP"""
    observed.needs_peer()
    return observed.masqueraded_as("app"), dict.fromkeys(("icmp", "tcp"), observed.ip(observed.a))


def check_host_port(observed: Observed) -> Comparison:
    """host B reaches web through the host port 8080 over web's veth, and is host B still when it arrives"""
    path = observed.path("tcp", observed.ip(observed.b), observed.ip(observed.a), dport=8080)
    ends = observed.flow_ends(f"{observed.a}/web/eth0")
    arrived = {src for proto, src, dst in ends if dst == observed.ip("web") and proto == "tcp"}
    parents = [observed.parent(observed.b), observed.parent(observed.a)]
    return (path, arrived), (
        [*parents, observed.veth("web"), f"{observed.a}/web/eth0"],
        {observed.ip(observed.b), observed.ip("app")},
    )


def _host_end(observed: Observed, name: str) -> Interface:
    """The host's end of a pod's veth, by `ip`."""
    point = observed.veth(name)
    interfaces = {f"{host.name}/{each.name}": each for host in observed.topology.hosts for each in host.interfaces}
    return interfaces[point]
