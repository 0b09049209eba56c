"""The network of a fault: hosts on a switch, their containers, and a recording at some of their interfaces.

       lan0                 a bridge in a namespace of its own: the switch
  ┌──────┼───────┐          veth pairs
ens33  ens33   ens33
  A      B     router       namespaces; containers are further ones
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path

from capnet.quick_tuple import NamedTuple
from capnet.record.bundle import leftover
from capnet.record.find.capture_points import CapturePoint
from capnet.record.kernel.asked_namespaces import AskedNamespace, asked_namespaces
from capnet.record.kernel.snapshots import witnessing
from capnet.record.kernel.why import AskingWhy
from capnet.record.taps.capture_process import CaptureProcess
from capnet.record.taps.listening import listening
from capnet.scenario.faults import Change, recorded
from capnet.scenario.faults.node import Node, Shared
from capnet.scenario.faults.services import Services
from capnet.topology import Topology
from capnet.witnesses import Witnesses

Points = list[CapturePoint]

NIC = "ens33"
HOST_A, HOST_B, ROUTER = "192.168.111.128", "192.168.111.129", "192.168.111.1"
_PREFIX_LENGTHS = {4: 24, 6: 64}
_EVERY_STATE = "nud reachable nud stale nud delay nud probe nud failed nud incomplete"  # but not permanent


class FarServer(NamedTuple):
    """The nodes on the way from a container to a server behind a router."""

    app: Node
    a: Node
    router: Node
    server: Node


class NodeNetwork:
    """Nodes in network namespaces. `undo` removes everything; `folder` is for the files of the capture programs."""

    def __init__(
        self,
        fault: str,
        undo: ExitStack,
        folder: Path,
        say: Callable[[str], None],
        *,
        keeps_neighbours: bool = False,
        why: bool = False,
    ) -> None:
        self.fault = fault
        self.captures: list[CaptureProcess] = []  # of the latest `listening`, as what follows
        self.topology: Topology | None = None
        self.witnesses: Witnesses | None = None
        self.folder = folder
        self.output: Path | None = None  # the bundle that the packets are to become, also after a kill -9
        self._say = say
        self._why = why
        self._left_out: list[Node] = []
        self._keeps_neighbours = keeps_neighbours
        self._shared = Shared(undo, Services())
        undo.callback(lambda: self._shared.services.close())

    def __getitem__(self, name: str) -> Node:
        """The node `A`, or the container `A/web`."""
        return self._shared.nodes[name]

    @property
    def misses(self) -> list[str]:
        """Questions that got no answer during the latest `listening`, in words."""
        return self._shared.misses

    def node(self, name: str) -> Node:
        """A machine without any interface but its loopback."""
        return Node(name, self._shared)

    def switch(self, name: str = "lan") -> Node:
        """A switch: a machine with the bridge lan0, and nothing else."""
        switch = self.node(name)
        switch.bridge("lan0")
        return switch

    def host(self, name: str, switch: Node, *addresses: str, interface: str = NIC) -> Node:
        """A machine on a switch that forwards, with the gateway of its networks left to the fault.

        `addresses` have no prefix length; it is 24, and 64 for IPv6. A host on two switches is named twice.
        """
        host = self._shared.nodes.get(name) or self.node(name)
        host.set("net/ipv4/ip_forward", 1)
        host.set("net/ipv6/conf/all/forwarding", 1)
        host.link(interface, switch, f"to-{name}", mac=nic_mac(addresses[0]))
        switch.run(f"ip link set dev to-{name} master lan0")
        host.address(interface, *(f"{each}/{_PREFIX_LENGTHS[ip_address(each).version]}" for each in addresses))
        return host

    def two_hosts(self) -> tuple[Node, Node]:
        """Hosts A and B on one switch, as in the lab."""
        switch = self.switch()
        return self.host("A", switch, HOST_A), self.host("B", switch, HOST_B)

    def routed(self, name: str, address: str, router: Node) -> Node:
        """A machine behind a router: a link of their own, eth0 and eth1, and a default route to the router's .254."""
        machine = self.node(name)
        machine.link("eth0", router, "eth1", mac=nic_mac(address))
        gateway = f"{address.rpartition('.')[0]}.254"
        machine.address("eth0", f"{address}/24")
        router.address("eth1", f"{gateway}/24")
        machine.run(f"ip route add default via {gateway}")
        return machine

    def far_server(self, address: str) -> FarServer:
        """A server behind a router, and a container on host A, which masquerades it."""
        lan = self.switch()
        a, router = self.host("A", lan, HOST_A), self.host("router", lan, ROUTER)
        server = self.routed("server", address, router)
        a.run(f"ip route add default via {ROUTER}")
        app = a.container("app", "172.17.0.2")
        a.masquerade()
        return FarServer(app, a, router, server)

    def leave_out(self, node: Node) -> None:
        """The topology does not name this node."""
        self._left_out.append(node)

    def apply(self, change: Change) -> None:
        """Runs the line that breaks the network."""
        self[change.node].run(change.command)

    @contextlib.contextmanager
    def listening(self, points: Points) -> Iterator[None]:
        """Captures at these points while the block runs; then `captures`, `topology`, `witnesses` hold what it leaves.

        Neighbour tables are empty when it begins, as after minutes without traffic, unless `keeps_neighbours`.
        """
        for node in () if self._keeps_neighbours else self._shared.nodes.values():
            node.run(f"ip neigh flush all {_EVERY_STATE}")
        self.misses.clear()
        described = [node for node in self._shared.nodes.values() if node not in self._left_out]
        hosts = [
            AskedNamespace(node.name, node.namespace.shell, node.namespace.path) for node in described if node.is_host
        ]
        why = AskingWhy(self.folder, self._say) if self._why else None
        with (
            listening(points, self.folder, say=self._say) as self.captures,
            witnessing(asked_namespaces(points, hosts), self._say, why) as witnessed,
        ):
            self.witnesses = witnessed.witnesses
            if self.output is not None:
                leftover.note(self.folder, self.captures, self.output, self.fault)
            try:
                yield
            finally:
                self.topology = recorded.topology(self.fault, described, points)


def nic_mac(address: str) -> str:
    """The lab's MAC for an interface: 02:00 and the four octets of its IPv4 address."""
    return "02:00:" + ":".join(f"{octet:02x}" for octet in ip_address(address).packed[-4:])
