"""What flanneld sets up on the nodes of a cluster: each node's pods, and the way to those of the other nodes.

By VXLAN (its usual backend), or by plain routes between nodes of one subnet (`host-gw`). flanneld itself is not run:
these are its devices, neighbours, forwarding entries, routes and rules (flannel-io/flannel, pkg/backend/vxlan and
pkg/trafficmngr), which the kernel works with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from capnet.errors import UsageError
from capnet.quick_tuple import NamedTuple
from capnet.scenario.commands import get, web_server
from capnet.scenario.container import ScenarioContainer
from capnet.scenario.host import ScenarioHost
from capnet.scenario.pods.pod_network import PodNetwork, pod_network

CLUSTER = "10.244.0.0/16"
DEVICE, VNI, PORT = "flannel.1", 1, 8472  # Linux's own VXLAN port, older than IANA's
ROUTES = 213  # the number of who made a route (rt_protos of iproute2), so that only a route of capnet is taken back
INNER_MTU = 1450  # 1500 less the headers of Ethernet, IPv4, UDP and VXLAN (RFC 7348)


@dataclass(frozen=True)
class FlannelNode:
    """A node of the cluster. Its pods have 10.244.NUMBER.0/24."""

    host: ScenarioHost
    number: int

    @property
    def subnet(self) -> str:
        """Of its pods."""
        return f"10.244.{self.number}.0/24"

    @property
    def device_address(self) -> str:
        """The address of its VXLAN device, the first of the subnet: it sends to pods of other nodes from there."""
        return f"10.244.{self.number}.0"

    @property
    def device_mac(self) -> str:
        """The MAC of its VXLAN device."""
        return device_mac(self.number)


def device_mac(number: int) -> str:
    """The MAC of a node's VXLAN device."""
    return f"02:f1:00:00:00:{number:02x}"


def flannel(*hosts: ScenarioHost, backend: str = "vxlan") -> list[PodNetwork]:
    """The pod networks of these hosts, which route between each other."""
    nodes = [FlannelNode(host, number) for number, host in enumerate(hosts, start=1)]
    networks = []
    for node in nodes:
        mtu = INNER_MTU if backend == "vxlan" else 1500
        networks.append(pod_network(node.host, node.subnet, forwards=CLUSTER, masquerades=False, mtu=mtu))
        others = [other for other in nodes if other is not node]
        (_vxlan if backend == "vxlan" else _host_gateway)(node, others)
        _masquerade(node)
    return networks


class TwoPods(NamedTuple):
    """A pod on each of two nodes: right is a web server, and so is its node's port 7000."""

    a: ScenarioHost
    b: ScenarioHost
    left: ScenarioContainer
    right: ScenarioContainer

    def send(self, say: Callable[[str], None]) -> None:
        """Left and its node to right, left to the other node: HTTP, and from left also ping. `say` is told each."""
        left, right, a, b = self.left, self.right, self.a, self.b
        say("left to right: ping, HTTP")
        left.run(f"ping -c 3 -i 0.3 {right.address()}")
        left.run(get(f"http://{right.address()}/"))

        say(f"host {a.name} to right: HTTP")
        a.run(get(f"http://{right.address()}/"))

        say(f"left to host {b.name}: ping, HTTP")
        left.run(f"ping -c 3 -i 0.3 {b.address}")
        left.run(get(f"http://{b.address}:7000/"))


def two_pods(a: ScenarioHost, b: ScenarioHost, *, backend: str = "vxlan") -> TwoPods:
    """The pods left on the first host and right on the second one, which serve already."""
    on_a, on_b = flannel(a, b, backend=backend)
    pods = TwoPods(a, b, on_a.pod("left"), on_b.pod("right", web_server(3000)))
    b.serve_http(7000)
    pods.right.wait_until(get("http://127.0.0.1/"))
    return pods


def _vxlan(node: FlannelNode, others: Sequence[FlannelNode]) -> None:
    """The VXLAN device, and for each other node a neighbour, a forwarding entry and a route to its pods."""
    host, is_own = node.host, f"ip link show dev {DEVICE} | grep -q {node.device_mac}"
    programs = host.own_programs(undo=f"{is_own} && ip link delete dev {DEVICE}")
    if programs.attempt(f"ip link show dev {DEVICE}")[0] == 0:
        raise UsageError(f"host {host.name} has an interface {DEVICE}: flannel runs there. Use hosts of a lab: --lab")
    programs.run(
        f"ip link add name {DEVICE} address {node.device_mac} type vxlan id {VNI} dev {host.nic} "
        f"local {host.address} dstport {PORT} nolearning && ip link set dev {DEVICE} mtu {INNER_MTU} up && "
        f"ip address add {node.device_address}/32 dev {DEVICE}"
    )
    for other in others:
        programs.run(
            f"ip neigh add {other.device_address} lladdr {other.device_mac} dev {DEVICE} nud permanent && "
            f"bridge fdb append {other.device_mac} dev {DEVICE} dst {other.host.address} && "
            f"ip route add {other.subnet} via {other.device_address} dev {DEVICE} onlink"
        )


def _host_gateway(node: FlannelNode, others: Sequence[FlannelNode]) -> None:
    """A route to the pods of each other node by way of that node, without a tunnel."""
    for other in others:
        route = f"{other.subnet} via {other.host.address} proto {ROUTES}"
        node.host.own_programs(undo=f"ip route delete {route}").run(f"ip route add {route}")


def _masquerade(node: FlannelNode) -> None:
    """Pods call others than pods from the node's address; pods call each other, and are called, from their own."""
    comment = f"-m comment --comment capnet-{node.host.run_id}"
    rules = [
        f"-s {CLUSTER} -d {CLUSTER} {comment} -j RETURN",
        f"-s {CLUSTER} ! -d 224.0.0.0/4 {comment} -j MASQUERADE --random-fully",
        f"! -s {CLUSTER} -d {node.subnet} {comment} -j RETURN",
        f"! -s {CLUSTER} -d {CLUSTER} {comment} -j MASQUERADE --random-fully",
    ]
    programs = node.host.own_programs(
        undo="; ".join(f"iptables -w -t nat -D POSTROUTING {rule}" for rule in reversed(rules))
    )
    programs.run(" && ".join(f"iptables -w -t nat -A POSTROUTING {rule}" for rule in rules))
