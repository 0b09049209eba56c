"""Every point on a host that the packets of containers pass, from its topology.

Per container: its interfaces; the host end of each veth; its bridge; the parent NIC of a macvlan or ipvlan interface;
`br0` and `vxlan0` of an overlay network; the load balancer of a swarm's service; and the interfaces by which the host
reaches others, those of its default routes first: for what a bridge translates, for VXLAN, and for the sockets of pasta
or slirp4netns. What a host of containerd or CRI-O routes leaves by the interfaces of its routes: tunnel devices and
NICs. A point that several containers share comes once.

Loopback is captured where something is to be heard there: Docker's DNS server answers there on every network but the
default bridge, containers of one namespace talk there, and a container without a network has nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from capnet.quick_dataclass import value
from capnet.record.targets.uplinks import RoutedDevices
from capnet.topology import Container, Endpoint, Interface, Topology
from capnet.topology.routed import is_routed
from capnet.topology.user_mode import is_the_machine, process_behind

TUNNELS = ("vxlan", "geneve", "gre", "gretap", "ip6gre", "ipip", "sit", "ip6tnl", "vti", "xfrm", "wireguard", "tun")
# Made for containers, or below or beside what is captured anyway: no other way in or out of the host.
_FOR_CONTAINERS = ("bridge", "dummy", "ifb", "macvlan", "macvtap", "ipvlan", "ipvtap", "vxlan", "geneve")
MAX_OTHER_WAYS = 6  # interfaces besides those of the default routes
DEFAULT_BRIDGE = "bridge"  # Docker's network of containers that are given none; it has no DNS server


@value
class ContainerPoint:
    """An interface in a network namespace of a host, to be captured. Fields as of a ListeningPoint."""

    name: str
    role: str
    host: str
    interface: str
    describes: str
    netns: str
    mac: str | None = None
    container: str | None = None
    network: str | None = None


def container_points(
    topology: Topology,
    containers: Sequence[Container],
    uplinks: Mapping[str, Sequence[str]],
    routed: Mapping[str, RoutedDevices] | None = None,
) -> list[ContainerPoint]:
    """The places of these containers: first what is theirs alone, then what they share.

    `uplinks`: NICs of each host's default routes. `routed`: where routes of hosts lead.
    A container whose namespace could not be seen has none of its own.
    """
    planners = [
        _Planner(topology, container, uplinks.get(container.host, ()), (routed or {}).get(container.host))
        for container in containers
    ]
    distinct: dict[tuple[str, str, str], ContainerPoint] = {}
    for place in (
        *(place for planner in planners for place in planner.own()),
        *(place for planner in planners for place in planner.shared()),
    ):
        distinct.setdefault((place.host, place.netns, place.interface), place)
    return list(distinct.values())


class _Planner:
    """The places of one container; `_owner` is the one whose network namespace it uses."""

    def __init__(
        self, topology: Topology, container: Container, uplinks: Sequence[str], routed: RoutedDevices | None
    ) -> None:
        self._topology, self._container, self._uplinks, self._routed = topology, container, uplinks, routed
        self._host = next(host for host in topology.hosts if host.name == container.host)
        owner = self._same_host(lambda each: each.name == container.shares_network_with)
        self._owner = owner or container
        self._is_host_mode = self._owner.network_mode == "host"

    def own(self) -> Iterator[ContainerPoint]:
        """Its interfaces, and the host ends of its veths."""
        owner = self._owner
        if self._is_host_mode or owner.netns is None:
            return
        if self._is_heard_at_loopback():
            yield self._inside("lo", None, f"loopback of container {owner.name}")
        for endpoint in owner.endpoints:
            if endpoint.interface:
                yield self._inside(endpoint.interface, endpoint, f"{endpoint.interface} of container {owner.name}")
            if endpoint.veth and endpoint.veth_netns is None:
                yield self._at_host(
                    endpoint.veth, "veth", f"host end of {owner.name}'s {endpoint.interface}", owner.name
                )

    def shared(self) -> Iterator[ContainerPoint]:
        """What its packets pass behind that."""
        if self._is_host_mode:
            yield from self._of_host()
            return
        uses_uplinks = False
        for endpoint in self._owner.endpoints:
            if endpoint.bridge and endpoint.veth_netns is None:
                yield self._at_host(endpoint.bridge, "bridge", f"bridge of network {endpoint.network}")
                # A port that Docker ignores on an internal network is asked for at the host all the same.
                uses_uplinks |= not self._is_internal(endpoint) or bool(self._owner.unpublished)
            elif endpoint.veth_netns:
                yield from self._of_overlay(endpoint)
                yield from self._of_balancer(endpoint)
                uses_uplinks = True
            elif endpoint.parent:
                yield from self._of_parent(endpoint.parent, endpoint.network)
            elif process_behind(endpoint):
                uses_uplinks |= is_the_machine(self._host)
            elif is_routed(endpoint):
                uses_uplinks = True
        if uses_uplinks:
            yield from self._of_uplinks()

    # -- kinds of places ---------------------------------------------------------------------------------
    def _of_host(self) -> Iterator[ContainerPoint]:
        """A container in host mode: what the host itself sends and receives."""
        yield self._at_host("lo", "loopback", f"loopback of host {self._host.name}")
        yield from self._of_uplinks()
        for interface in self._host.interfaces:
            if interface.addresses and interface.name != "lo" and not interface.master:
                role = "bridge" if interface.kind == "bridge" else "parent"
                yield self._at_host(interface.name, role, f"{interface.name} of host {self._host.name}")

    def _of_overlay(self, endpoint: Endpoint) -> Iterator[ContainerPoint]:
        for namespace in self._topology.namespaces:
            if (namespace.host, namespace.netns) != (self._host.name, endpoint.veth_netns):
                continue
            network = namespace.network or endpoint.network
            for interface in namespace.interfaces:
                if interface.kind in ("bridge", "vxlan"):
                    device = "bridge" if interface.kind == "bridge" else "VXLAN device"
                    yield ContainerPoint(
                        f"{self._host.name}/overlay:{network}/{interface.name}",
                        "overlay",
                        self._host.name,
                        interface.name,
                        f"{device} of overlay network {network}",
                        namespace.netns,
                        interface.mac,
                        network=network,
                    )

    def _of_balancer(self, endpoint: Endpoint) -> Iterator[ContainerPoint]:
        """Where the swarm spreads what is sent to the service that the container is a task of."""
        if self._container.swarm_service is None:
            return
        balancer = self._same_host(lambda each: each.balances == endpoint.network)
        if balancer is None or balancer.netns is None:
            return
        for end in balancer.endpoints:
            if end.interface:
                yield ContainerPoint(
                    f"{self._host.name}/balancer:{endpoint.network}/{end.interface}",
                    "overlay",
                    self._host.name,
                    end.interface,
                    f"{end.interface} of the load balancer of network {endpoint.network}",
                    balancer.netns,
                    end.mac,
                    network=endpoint.network,
                )

    def _of_parent(self, parent: str, network: str) -> Iterator[ContainerPoint]:
        """The parent, and the NIC that a VLAN interface lies on."""
        yield self._at_host(parent, "parent", f"parent of network {network}")
        lower = self._interface(parent)
        if lower is not None and lower.parent and lower.parent != parent:
            yield self._at_host(lower.parent, "parent", f"{lower.parent} of host {self._host.name}")

    def _of_uplinks(self) -> Iterator[ContainerPoint]:
        for name in dict.fromkeys([*self._uplinks, *self._ways_of_pods(), *self._other_ways()]):
            interface = self._interface(name)
            is_overlay = interface is not None and interface.kind in TUNNELS and self._owner.runtime
            role = "overlay" if is_overlay else "parent"  # a VPN of a host is a way out like a NIC
            yield self._at_host(name, role, f"{name} of host {self._host.name}, by which it reaches others")

    def _ways_of_pods(self) -> Iterator[str]:
        """Interfaces that routes lead out of to next hops and into tunnels, and the NICs below these.

        A device that is told the tunnel with each packet (`ip link … external`) has no route, and no VNI.
        """
        if self._routed is None or not self._owner.runtime:
            return
        for interface in self._host.interfaces:
            is_tunnel = interface.kind in TUNNELS
            is_external = interface.kind in ("vxlan", "geneve") and interface.vni is None
            if is_tunnel and (is_external or interface.name in self._routed.links):
                yield from filter(None, (interface.name, interface.parent))
            elif interface.name in self._routed.next_hops and interface.kind != "bridge":
                yield from filter(None, (interface.name, interface.parent if is_tunnel else None))

    def _other_ways(self) -> Iterator[str]:
        """Interfaces of the host with an address by which packets come or go besides: a second NIC, a VPN.

        A published port is asked at any of them, and a VPN's routes may take the answers. Of pods, see `_ways_of_pods`.
        """
        if self._routed is None or self._owner.runtime:
            return
        veths = {end.veth for container in self._topology.containers for end in container.endpoints if end.veth}
        ways = {*self._routed.next_hops, *self._routed.links} - veths - {*self._uplinks}
        names = (
            interface.name
            for interface in self._host.interfaces
            if interface.name in ways and interface.kind not in _FOR_CONTAINERS and interface.master is None
            and any(not address.startswith("fe80:") for address in interface.addresses)
        )  # fmt: skip
        yield from islice(names, MAX_OTHER_WAYS)

    # -- parts -------------------------------------------------------------------------------------------
    def _inside(self, interface: str, endpoint: Endpoint | None, describes: str) -> ContainerPoint:
        owner = self._owner
        assert owner.netns is not None
        return ContainerPoint(
            f"{owner.host}/{owner.name}/{interface}",
            "loopback" if interface == "lo" else "container",
            owner.host,
            interface,
            describes,
            owner.netns,
            endpoint.mac if endpoint else None,
            owner.name,
            endpoint.network or None if endpoint else None,
        )

    def _at_host(self, interface: str, role: str, describes: str, container: str | None = None) -> ContainerPoint:
        host = self._host
        described = self._interface(interface)
        return ContainerPoint(
            f"{host.name}/{interface}",
            role,
            host.name,
            interface,
            describes,
            host.netns or "",
            described.mac if described else None,
            container,
        )

    def _interface(self, name: str) -> Interface | None:
        return next((interface for interface in self._host.interfaces if interface.name == name), None)

    def _same_host(self, fits: Callable[[Container], bool]) -> Container | None:
        on_host = (each for each in self._topology.containers if each.host == self._container.host)
        return next((each for each in on_host if fits(each)), None)

    def _is_heard_at_loopback(self) -> bool:
        owner = self._owner
        if owner.runtime:  # no name server is there; in a pod of one container nothing talks to another one
            sharing = [each for each in self._topology.containers if each.shares_network_with == owner.name]
            return len(sharing) > 1 if owner.is_pod else bool(sharing) or not owner.endpoints
        is_shared = owner is not self._container or bool(
            self._same_host(lambda each: each.shares_network_with == owner.name)
        )
        return is_shared or not owner.endpoints or any(each.network != DEFAULT_BRIDGE for each in owner.endpoints)

    def _is_internal(self, endpoint: Endpoint) -> bool:
        return any(network.internal for network in self._topology.networks if network.id == endpoint.network_id)
