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

from capnet.scenario.expect import Pair, Seen
from capnet.scenario.stage import Stage, page

NEEDS_PEER = True
NEEDS_KERNEL: tuple[str, ...] = ("vxlan", "ip_vs")

NET = "vxlanS"
BALANCER, INGRESS = "lb-vxlanS", "ingress-sbox"  # as Docker calls them among a network's containers
PORT = 8080
SERVE = f"{page('/srv', 500)} && hostname >>/srv/index.html && exec httpd -f -h /srv"
NOT_THE_SWARM = "not port 2377 and not port 7946"


def play(stage: Stage) -> None:
    a, b = stage.a, stage.b
    stage.swarm()
    stage.network(NET, "overlay", attachable=True)
    here, there = stage.service("web", SERVE, network=NET, ports={80: PORT})
    client = a.container("client", network=NET)
    client.until(_answers_of_both("http://web/"))
    b.until(_answers_of_both(f"http://{a.address}:{PORT}/"))

    with stage.listening(
        client.interface(client.leg(NET), "client's leg on vxlanS"),
        a.balancer(NET, client, "eth0", "the load balancer of vxlanS on host A, which has the VIP"),
        a.overlay(NET, "vxlan0", client, "the overlay's VXLAN device on host A: before it is wrapped"),
        here.interface(here.leg(NET), "leg of host A's task on vxlanS"),
        there.interface(there.leg(NET), "leg of host B's task on vxlanS"),
        a.interface("docker_gwbridge", "where host A hands its port 8080 to the ingress sandbox"),
        a.balancer("ingress", here, "eth1", "the ingress sandbox of host A: from outside"),
        a.balancer("ingress", here, "eth0", "the ingress sandbox of host A: to the tasks"),
        here.interface(here.leg("ingress"), "leg of host A's task on ingress"),
        there.interface(there.leg("ingress"), "leg of host B's task on ingress"),
        a.parent("NIC of host A", capture_filter=NOT_THE_SWARM),
        b.parent("NIC of host B", capture_filter=NOT_THE_SWARM),
    ):
        stage.say("client asks web twice")
        client.run("for n in 1 2; do wget -q -O /dev/null http://web/ || exit 1; done")
        stage.say(f"host {b.name} asks port {PORT} of host {a.name} twice")
        b.run(f"for n in 1 2; do wget -q -O /dev/null http://{a.address}:{PORT}/ || exit 1; done")


def _answers_of_both(url: str) -> str:
    """Shell command that succeeds when two requests in a row are answered by two tasks."""
    return f'[ "$(for n in 1 2; do wget -q -O - {url} | tail -n 1; done | sort -u | grep -c .)" = 2 ]'


def expect_model(seen: Seen) -> Pair:
    """the model is overlay"""
    return seen.model(), "overlay"


def expect_vip(seen: Seen) -> Pair:
    """what client sends to the virtual address reaches one task, then the other, and seems to come from the balancer"""
    seen.at(f"{seen.a}/balancer:{NET}/eth0")
    client, balancer = seen.ip("client", NET), seen.ip(BALANCER, NET)
    vip = seen.vips(BALANCER, NET)[0]
    expected = {((client, vip, 80), (balancer, seen.ip(task, NET), 80)) for task in _tasks(seen).values()}
    return {each for each in _rewritten(seen) if each[0] == (client, vip, 80)}, expected


def expect_ingress(seen: Seen) -> Pair:
    """host A's port 8080 leads to the ingress sandbox, and that to one task, then the other"""
    for name in ("eth0", "eth1"):
        seen.at(f"{seen.a}/balancer:ingress/{name}")
    b, outside = seen.ip(seen.b), seen.ip(INGRESS, "docker_gwbridge")
    inside = seen.ip(INGRESS, "ingress")
    expected = {((b, seen.ip(seen.a), PORT), (b, outside, PORT))}
    for task in _tasks(seen).values():
        expected.add(((b, outside, PORT), (inside, seen.ip(task, "ingress"), PORT)))
    return {each for each in _rewritten(seen) if each[0][0] == b}, expected


def expect_conntrack(seen: Seen) -> Pair:
    """every translation is one that the connection tables of host A, its balancer and its ingress sandbox have"""
    return seen.rewritten(), seen.conntrack()


def expect_ways(seen: Seen) -> Pair:
    """to the task on A a packet for the virtual address never leaves the host, to the one on B it goes through VXLAN"""
    here, there = (_tasks(seen)[host] for host in (seen.a, seen.b))
    client, balancer = f"{seen.a}/client/eth0", f"{seen.a}/balancer:{NET}/eth0"
    expected = {
        (client, balancer, balancer, _leg(seen, here)),
        (
            *(client, balancer, balancer, f"{seen.a}/overlay:{NET}/vxlan0"),
            *(seen.parent(seen.a), seen.parent(seen.b), _leg(seen, there)),
        ),
    }
    return seen.ways("tcp", seen.ip("client", NET), seen.vips(BALANCER, NET)[0]), expected


def expect_tunnels(seen: Seen) -> Pair:
    """on the wire there is VXLAN of both networks, with the VNIs that Docker gave them"""
    for host in (seen.a, seen.b):
        seen.at(seen.parent(host))
    return {each["vni"] for each in seen.tunnels()}, seen.vnis()


def _tasks(seen: Seen) -> dict[str, str]:
    """Host → its task."""
    return {each.host: each.name for each in seen.topology.containers if each.name.startswith("web.")}


def _leg(seen: Seen, task: str) -> str:
    """The point at a task's leg on vxlanS."""
    return next(
        f"{container.host}/{task}/{endpoint.interface}"
        for container in seen.topology.containers
        for endpoint in container.endpoints
        if (container.name, endpoint.network) == (task, NET)
    )


def _rewritten(seen: Seen) -> set[tuple[tuple[str, str, int], tuple[str, str, int]]]:
    """(source, destination, its port) before and after."""
    sides = [(row["before"], row["after"]) for row in seen.nat()]
    return {
        ((before["src"], before["dst"], before["dport"]), (after["src"], after["dst"], after["dport"]))
        for before, after in sides
    }
