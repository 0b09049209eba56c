"""cni-bridge: pods on the bridge of a CNI plugin, out through masquerade, in through a host port

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐              ┌──────────────────────────┐
    │   web  httpd :80           app               │              │                          │
    │   eth0 10.244.1.2          eth0 10.244.1.3   │              │   web server  tcp 7000   │
    │     │                        │               │              │                          │
    │   vethXXXX                 vethYYYY          │              │                          │
    │     └───────── cni0 ─────────┘               │              │                          │
    │            10.244.1.1                        │              │                          │
    │     masquerade │  ▲ hostPort 8080 → 80       │              │                          │
    │                ▼  │                          │              │                          │
    │              ens33 192.168.111.128 ──────────┼──── wire ────┼── ens33 192.168.111.129  │
    └──────────────────────────────────────────────┘              └──────────────────────────┘

Builds  web (a web server, its port 80 at host port 8080) and app: containers without a network of Docker, to which the
        CNI plugins bridge and portmap give one, as a container runtime of Kubernetes has them do; on host B a web
        server on port 7000.
Sends   app to web by HTTP: switched on cni0, nothing is rewritten.
        app to host B by ping and HTTP: on ens33 the sender is host A (masquerade).
        host B to A:8080 by HTTP: on cni0 the destination is web:80 (DNAT), the sender still host B.
Listens at eth0 of both pods, the host ends of their veths, cni0, and ens33 of both hosts.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.pods.pod_network import BRIDGE, pod_network
from capnet.scenario.session import Session, get, web_server

NEEDS_PEER = False  # without host B, what is sent to it and from it is left out
CONTAINERS, PORTS, PEER_PORTS = ("web", "app"), (8080,), (7000,)
PLUGINS = ("bridge", "portmap")
NEIGHBOUR = "bridge"

SUBNET = "10.244.1.0/24"


def run(session: Session) -> None:
    a, b = session.a, session.peer
    pods = pod_network(a, SUBNET)
    web = pods.pod("web", web_server(3000), ports={80: 8080})
    app = pods.pod("app")
    if b:
        b.serve_http(7000)
    web.wait_until(get("http://127.0.0.1/"))

    with session.listening(
        web.interface("eth0", "eth0 inside the pod web"),
        web.veth("eth0", "the host end of web's veth, a port of cni0"),
        app.interface("eth0", "eth0 inside the pod app"),
        app.veth("eth0", "the host end of app's veth, a port of cni0"),
        a.interface(BRIDGE, "the bridge of host A's pods: before masquerade, after DNAT"),
        a.parent("NIC of host A: after masquerade, before DNAT"),
        b.parent("NIC of host B, at the other end of the wire") if b else None,
    ):
        session.say("app to web: HTTP")
        app.run(get(f"http://{web.address()}/"))

        if b:
            session.say(f"app to host {b.name}: ping, HTTP")
            app.run(f"ping -c 3 -i 0.3 {b.address}")
            app.run(get(f"http://{b.address}:7000/"))

            session.say(f"host {b.name} to web through host port 8080: HTTP")
            b.run(get(f"http://{a.address}:8080/"))


def check_model(observed: Observed) -> Comparison:
    """the model is bridge"""
    return observed.model(), "bridge"


def check_unchanged_inside(observed: Observed) -> Comparison:
    """app reaches web across both veths and cni0, unchanged"""
    path = observed.path("tcp", observed.ip("app"), observed.ip("web"), dport=80)
    a = observed.a
    return path, [f"{a}/app/eth0", observed.veth("app"), f"{a}/{BRIDGE}", observed.veth("web"), f"{a}/web/eth0"]


def check_no_docker(observed: Observed) -> Comparison:
    """no network of Docker has the pods: their addresses are the first that the plugin gave away"""
    networks = {endpoint.network for each in observed.topology.containers for endpoint in each.endpoints}
    return (networks, observed.ip("web"), observed.ip("app")), ({""}, "10.244.1.2", "10.244.1.3")


def check_conntrack(observed: Observed) -> Comparison:
    """host A's connection table has the same translations, before and after"""
    observed.needs_peer()
    return observed.translations(), observed.conntrack_translations()


def check_masquerade(observed: Observed) -> Comparison:
    """to host B, app is host A, by ping and TCP"""
    observed.needs_peer()
    return observed.masqueraded_as("app"), dict.fromkeys(("icmp", "tcp"), observed.ip(observed.a))


def check_host_port(observed: Observed) -> Comparison:
    """host B reaches web through the host port 8080, and is host B still when it arrives"""
    path = observed.path("tcp", observed.ip(observed.b), observed.ip(observed.a), dport=8080)
    ends = observed.flow_ends(f"{observed.a}/web/eth0")
    arrived = {src for proto, src, dst in ends if dst == observed.ip("web") and proto == "tcp"}
    parents = [observed.parent(observed.b), observed.parent(observed.a)]
    return (path, arrived), (
        [*parents, f"{observed.a}/{BRIDGE}", observed.veth("web"), f"{observed.a}/web/eth0"],
        {observed.ip(observed.b), observed.ip("app")},
    )
