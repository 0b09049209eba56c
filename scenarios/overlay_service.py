"""overlay-service: a swarm's service of two tasks, reached by its virtual address and by the ingress port

                      host A                                          host B
    ┌─────────────────────────────────────────────┐     ┌─────────────────────────────────┐
    │   client         lb-vxlanS         web.2    │     │    web.1                        │
    │  10.0.1.7     VIP 10.0.1.2        10.0.1.4  │     │   10.0.1.3                      │
    │      │   mark, IPVS, 10.0.1.5        │      │     │      │                          │
    │      └───────────────┴── vxlanS ─────┴──────┼VXLAN┼──────┘                          │
    │                                             │     │                                 │
    │   ingress-sbox 10.0.0.2 ── ingress ── web.2 │VXLAN│ ── ingress ── web.1             │
    │     │ mark, IPVS       10.0.0.6             │     │    10.0.0.5                     │
    │   docker_gwbridge                           │     │   a program on host B           │
    │     ▲ DNAT                                  │     │      │                          │
    │   ens33 192.168.111.128:8080 ◀──────────────┼wire─┼──────┘                          │
    └─────────────────────────────────────────────┘     └─────────────────────────────────┘

Builds  a swarm of both hosts (or uses the one they are in), an attachable overlay network vxlanS, on it a service web
        of two tasks, one on each host, with its port 80 published as 8080; a container client on A.
Sends   client asks web for its page twice, by name: the name is a virtual address (VIP) that no task has. The load
        balancer of A on this network marks what is for the VIP, IPVS hands it to the tasks in turn (DNAT), and the
        answers come back through it (SNAT).
        Host B asks host A's port 8080 twice: DNAT to the ingress sandbox, where the same is done once more.
Listens at client, the load balancer and vxlan0 of vxlanS on A, both ends of the ingress sandbox of A, docker_gwbridge
        of A, each task's legs on both networks, and ens33 of both hosts, there without the swarm's own talk (2377,
        7946), unless --capture asks for it.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, page

NEEDS_PEER = True
CONTAINERS, NETWORKS, PORTS = ("client",), ("vxlanS",), (8080,)
NEEDS_KERNEL: tuple[str, ...] = ("vxlan", "ip_vs")
NEIGHBOUR = "overlay"

NET = "vxlanS"
BALANCER, INGRESS = "lb-vxlanS", "ingress-sbox"  # as Docker calls them among a network's containers
PORT = 8080
SERVE = f"{page('/srv', 500)} && hostname >>/srv/index.html && exec httpd -f -h /srv"
NOT_THE_SWARM = "not port 2377 and not port 7946"


def run(session: Session) -> None:
    a, b = session.a, session.b
    session.swarm()
    session.network(NET, "overlay", attachable=True)
    task_a, task_b = session.service("web", SERVE, network=NET, ports={80: PORT})
    client = a.container("client", network=NET)
    client.wait_until(_answers_of_both("http://web/"))
    b.wait_until(_answers_of_both(f"http://{a.address}:{PORT}/"))

    with session.listening(
        client.interface(client.leg(NET), "client's leg on vxlanS"),
        a.balancer(NET, client, "eth0", "the load balancer of vxlanS on host A, which has the VIP"),
        a.overlay(NET, "vxlan0", client, "the overlay's VXLAN device on host A: before it is wrapped"),
        task_a.interface(task_a.leg(NET), "leg of host A's task on vxlanS"),
        task_b.interface(task_b.leg(NET), "leg of host B's task on vxlanS"),
        a.interface("docker_gwbridge", "where host A hands its port 8080 to the ingress sandbox"),
        a.balancer("ingress", task_a, "eth1", "the ingress sandbox of host A: from outside"),
        a.balancer("ingress", task_a, "eth0", "the ingress sandbox of host A: to the tasks"),
        task_a.interface(task_a.leg("ingress"), "leg of host A's task on ingress"),
        task_b.interface(task_b.leg("ingress"), "leg of host B's task on ingress"),
        a.parent("NIC of host A", capture_filter=NOT_THE_SWARM),
        b.parent("NIC of host B", capture_filter=NOT_THE_SWARM),
    ):
        session.say("client asks web twice")
        client.run("for n in 1 2; do wget -q -O /dev/null http://web/ || exit 1; done")
        session.say(f"host {b.name} asks port {PORT} of host {a.name} twice")
        b.run(f"for n in 1 2; do wget -q -O /dev/null http://{a.address}:{PORT}/ || exit 1; done")


def _answers_of_both(url: str) -> str:
    """Shell command that succeeds when two requests in a row are answered by two tasks."""
    return f'[ "$(for n in 1 2; do wget -q -O - {url} | tail -n 1; done | sort -u | grep -c .)" = 2 ]'


def check_model(observed: Observed) -> Comparison:
    """the model is overlay"""
    return observed.model(), "overlay"


def check_vip(observed: Observed) -> Comparison:
    """what client sends to the virtual address reaches one task, then the other, and seems to come from the balancer"""
    observed.point(f"{observed.a}/balancer:{NET}/eth0")
    client, balancer = observed.ip("client", NET), observed.ip(BALANCER, NET)
    vip = observed.vips(BALANCER, NET)[0]
    expected = {((client, vip, 80), (balancer, observed.ip(task, NET), 80)) for task in _tasks(observed).values()}
    return {each for each in _rewritten(observed) if each[0] == (client, vip, 80)}, expected


def check_ingress(observed: Observed) -> Comparison:
    """host A's port 8080 leads to the ingress sandbox, and that to one task, then the other"""
    for name in ("eth0", "eth1"):
        observed.point(f"{observed.a}/balancer:ingress/{name}")
    b, outside = observed.ip(observed.b), observed.ip(INGRESS, "docker_gwbridge")
    inside = observed.ip(INGRESS, "ingress")
    expected = {((b, observed.ip(observed.a), PORT), (b, outside, PORT))}
    for task in _tasks(observed).values():
        expected.add(((b, outside, PORT), (inside, observed.ip(task, "ingress"), PORT)))
    return {each for each in _rewritten(observed) if each[0][0] == b}, expected


def check_conntrack(observed: Observed) -> Comparison:
    """every translation is one that the connection tables of host A, its balancer and its ingress sandbox have"""
    return observed.translations(), observed.conntrack_translations()


def check_ways(observed: Observed) -> Comparison:
    """to the task on A a packet for the virtual address never leaves the host, to the one on B it goes through VXLAN"""
    task_a, task_b = (_tasks(observed)[host] for host in (observed.a, observed.b))
    client, balancer = f"{observed.a}/client/eth0", f"{observed.a}/balancer:{NET}/eth0"
    expected = {
        (client, balancer, balancer, _leg(observed, task_a)),
        (
            *(client, balancer, balancer, f"{observed.a}/overlay:{NET}/vxlan0"),
            *(observed.parent(observed.a), observed.parent(observed.b), _leg(observed, task_b)),
        ),
    }
    return observed.paths("tcp", observed.ip("client", NET), observed.vips(BALANCER, NET)[0]), expected


def check_tunnels(observed: Observed) -> Comparison:
    """on the wire there is VXLAN of both networks, with the VNIs that Docker gave them"""
    for host in (observed.a, observed.b):
        observed.point(observed.parent(host))
    return {each["vni"] for each in observed.tunnels()}, observed.vnis()


def _tasks(observed: Observed) -> dict[str, str]:
    """Host → its task."""
    return {each.host: each.name for each in observed.topology.containers if each.name.startswith("web.")}


def _leg(observed: Observed, task: str) -> str:
    """The point at a task's leg on vxlanS."""
    return next(
        f"{container.host}/{task}/{endpoint.interface}"
        for container in observed.topology.containers
        for endpoint in container.endpoints
        if (container.name, endpoint.network) == (task, NET)
    )


def _rewritten(observed: Observed) -> set[tuple[tuple[str, str, int], tuple[str, str, int]]]:
    """(source, destination, its port) before and after."""
    sides = [(row["before"], row["after"]) for row in observed.nat_rows()]
    return {
        ((before["src"], before["dst"], before["dport"]), (after["src"], after["dst"], after["dport"]))
        for before, after in sides
    }
