"""kubernetes-service: a service of Kubernetes by its cluster IP and its node ports, with pods on two nodes

             host A (kube-proxy)                                          host B
    ┌──────────────────────────────────────────────┐              ┌──────────────────────────┐
    │   app          web-a  httpd :80              │              │   web-b  httpd :80       │
    │   10.244.1.3   10.244.1.2                    │              │   10.244.2.2             │
    │     └──── cni0 ──┘                           │              │     │                    │
    │             │  10.96.0.10:80 → web-a, web-b  │              │   cni0                   │
    │             │  A:30080       → web-a, web-b  │              │     │                    │
    │             │  A:30081       → web-a         │              │   flannel.1              │
    │         flannel.1                            │              │     │                    │
    │              ens33 192.168.111.128 ──────────┼──── wire ────┼── ens33 192.168.111.129  │
    └──────────────────────────────────────────────┘              └──────────────────────────┘

Builds  two nodes of a cluster with flannel's network; the pods app and web-a on host A, web-b on host B; on host A the
        real kube-proxy with two services of both web servers: web, and near, whose externalTrafficPolicy is Local.
Sends   app to the cluster IP by HTTP until both web servers have answered: DNAT to one of them, the sender stays.
        host A to the cluster IP, also until both have: DNAT, and masquerade as the interface that leads to the pod.
        host B to A:30080, until both have: DNAT and masquerade, the client's address is lost.
        host B to A:30081: DNAT alone, the client's address is kept.
Listens at eth0 of the pods, cni0 and flannel.1 of host A, and ens33 of both hosts.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.pods.flannel import DEVICE, flannel
from capnet.scenario.pods.kube_proxy import KubeService, serve
from capnet.scenario.pods.pod_network import BRIDGE
from capnet.scenario.session import Session, get

NEEDS_PEER = True
CONTAINERS, PORTS = ("app", "web-a", "web-b"), (30080, 30081)
PLUGINS, PROGRAMS = ("bridge",), ("kube-proxy",)
NEEDS_KERNEL: tuple[str, ...] = ("vxlan",)
NEIGHBOUR = "overlay-service"

CLUSTER_IP, NEAR_IP = "10.96.0.10", "10.96.0.11"
ON_BRIDGE, ON_DEVICE = "10.244.1.1", "10.244.1.0"  # host A's addresses on cni0 and flannel.1
SERVE = "mkdir -p /srv && echo {name} >/srv/index.html && exec httpd -f -h /srv"
UNTIL_BOTH = (
    "n=0; while [ $n -lt 60 ]; do n=$((n + 1)); "
    "case $(wget -q -O - {url}) in web-a) a=1;; web-b) b=1;; *) exit 1;; esac; "
    '[ "$a$b" = 11 ] && exit 0; done; exit 1'
)


def run(session: Session) -> None:
    a, b = session.a, session.b
    on_a, on_b = flannel(a, b)
    web_a = on_a.pod("web-a", SERVE.format(name="web-a"))
    app = on_a.pod("app")
    web_b = on_b.pod("web-b", SERVE.format(name="web-b"))
    both = {web_a.address(): a.name.lower(), web_b.address(): b.name.lower()}
    session.say(f"{a.name}: kube-proxy")
    serve(
        a,
        [KubeService("web", CLUSTER_IP, 80, 30080, both), KubeService("near", NEAR_IP, 80, 30081, both, is_local=True)],
    )
    for pod in (web_a, web_b):
        pod.wait_until(get("http://127.0.0.1/"))

    with session.listening(
        app.interface("eth0", "eth0 inside the pod app"),
        web_a.interface("eth0", "eth0 inside the pod web-a"),
        a.interface(BRIDGE, "the bridge of host A's pods"),
        a.interface(DEVICE, "the VXLAN device of host A"),
        a.parent("NIC of host A: what comes to its node ports, and VXLAN to the other node"),
        b.parent("NIC of host B, at the other end of the wire"),
        web_b.interface("eth0", "eth0 inside the pod web-b"),
    ):
        session.say(f"app to the cluster IP {CLUSTER_IP}: HTTP")
        app.run(UNTIL_BOTH.format(url=f"http://{CLUSTER_IP}/"))
        session.say(f"host {a.name} to the cluster IP: HTTP")
        a.run(UNTIL_BOTH.format(url=f"http://{CLUSTER_IP}/"))
        session.say(f"host {b.name} to the node port 30080: HTTP")
        b.run(UNTIL_BOTH.format(url=f"http://{a.address}:30080/"))
        session.say(f"host {b.name} to the node port 30081, externalTrafficPolicy Local: HTTP")
        b.run(get(f"http://{a.address}:30081/"))


def check_model(observed: Observed) -> Comparison:
    """the model is bridge"""
    return observed.model(), "bridge"


def check_cluster_ip(observed: Observed) -> Comparison:
    """app's connections to the cluster IP go to web-a or to web-b, and come from app when they arrive"""
    arrived = {
        name: observed.ip("app") in _clients(observed, f"{host}/{name}/eth0")
        for host, name in ((observed.a, "web-a"), (observed.b, "web-b"))
    }
    return (_rewritten(observed, "app", CLUSTER_IP), arrived), (
        {("dnat", web, observed.ip("app")) for web in _webs(observed)},
        {"web-a": True, "web-b": True},
    )


def check_node_itself(observed: Observed) -> Comparison:
    """host A's own connections arrive from the interface that leads to the pod: cni0, or flannel.1"""
    at_a, at_b = _clients(observed, f"{observed.a}/web-a/eth0"), _clients(observed, f"{observed.b}/web-b/eth0")
    return (observed.ip(observed.a) in at_a | at_b, ON_BRIDGE in at_a, ON_DEVICE in at_b), (False, True, True)


def check_node_port(observed: Observed) -> Comparison:
    """host B's connections to node port 30080 go to either pod, and none arrives from host B: its address is lost"""
    web_a, web_b = _webs(observed)
    return (
        _rewritten(observed, observed.b, observed.ip(observed.a), 30080),
        observed.ip(observed.b) in _clients(observed, f"{observed.b}/web-b/eth0"),
    ), ({("snat+dnat", web_a, ON_BRIDGE), ("snat+dnat", web_b, ON_DEVICE)}, False)


def check_local_node_port(observed: Observed) -> Comparison:
    """to node port 30081, with externalTrafficPolicy Local, host B comes as host B, to the pod of the node itself"""
    b = observed.ip(observed.b)
    return (
        _rewritten(observed, observed.b, observed.ip(observed.a), 30081),
        b in _clients(observed, f"{observed.a}/web-a/eth0"),
    ), ({("dnat", _webs(observed)[0], b)}, True)


def check_way_to_the_other_node(observed: Observed) -> Comparison:
    """from app to web-b it is DNAT before cni0, then flannel's VXLAN to host B"""
    path = observed.path("tcp", observed.ip("app"), CLUSTER_IP, dport=80)
    a, b = observed.a, observed.b
    near = [f"{a}/app/eth0", f"{a}/{BRIDGE}", f"{a}/web-a/eth0"]
    far = [*near[:2], f"{a}/{DEVICE}", observed.parent(a), observed.parent(b), f"{b}/web-b/eth0"]
    return path in (near, far) and observed.paths("tcp", observed.ip("app"), CLUSTER_IP), {tuple(near), tuple(far)}


def _webs(observed: Observed) -> list[str]:
    return [observed.ip("web-a"), observed.ip("web-b")]


def _clients(observed: Observed, point: str) -> set[str]:
    """Who sends to a web server at a point, outside of tunnels."""
    observed.point(point)
    hops = [hop for path in observed.report["paths"] for hop in path["hops"] if hop["point"] == point]
    return {hop["src"] for hop in hops if hop["dport"] == 80}


def _rewritten(observed: Observed, source: str, asked: str, port: int = 80) -> set[tuple[str, str, str]]:
    """(kind, destination, source afterwards) of the translations of what `source` sends to an address and port."""
    return {
        (each["kind"], each["after"]["dst"], each["after"]["src"])
        for each in observed.nat_rows()
        if (each["before"]["src"], each["before"]["dst"], each["before"]["dport"]) == (observed.ip(source), asked, port)
    }
