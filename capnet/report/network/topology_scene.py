"""A scene from a topology: hosts, their interfaces, and the containers on their bridges, parents and overlay networks.

A wire is drawn between NICs of hosts whose addresses are of one subnet. Bridges that have neither a container nor a
capture point are left out: every host with Docker has one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import ip_address, ip_interface

from capnet import language
from capnet.report.inventory.groups import (
    InventoryGroup,
    Leaf,
    host_groups,
    host_title,
    label,
    veths,
    without_link_local,
)
from capnet.report.network.scene import Box, Group, Scene, Vertex
from capnet.topology import Host, Interface, Topology

_INNER = {"bridge", "vxlan", "macvlan", "ipvlan", "dummy", "vlan"}


def topology_scene(topology: Topology, used: Collection[str] = ()) -> Scene:
    """The scene. `used`: names of capture points; what they name is drawn in any case."""
    names = ", ".join(host.name for host in topology.hosts)
    scene = Scene(f"{language.term('Topology')} {names}")
    for host in topology.hosts:
        scene.boxes.append(_box(scene, topology, host, used))
    _add_wires(scene, topology)
    return scene


def _box(scene: Scene, topology: Topology, host: Host, used: Collection[str]) -> Box:
    box = Box(host_title(host) or host.name)
    ends = veths(topology, host)
    nics = {
        each.name: _nic(each, host) for each in host.interfaces if each.name not in ends and _is_nic(each, host, used)
    }
    box.nics = list(nics.values())
    routed = []
    by_veth: list[tuple[Vertex, Leaf]] = []  # containers that the host routes to, without a bridge
    owned: list[tuple[str, Vertex]] = []
    for connected in _attached(host, host_groups(topology, host)):
        group = _group(scene, topology, host, connected, nics)
        box.groups.append(group)
        for leaf, vertex in zip(connected.leaves, group.leaves, strict=True):
            owned.append((f"{leaf.container.id} {leaf.container.name}", vertex))
        if group.nic is None and connected.kind not in ("none", "host") and group.vertex:
            routed.append(group.vertex)
        if connected.kind == "routed":
            by_veth += zip(group.leaves, connected.leaves, strict=True)
    scene.connect_inside(owned)
    drawn = {group.vertex.title for group in box.groups if group.vertex}
    for interface in host.interfaces:
        if interface.kind == "bridge" and interface.name not in drawn and _is_used(host, interface, used):
            routed.append(_bridge(scene, box, host, interface))
        elif interface.kind == "vxlan" and not interface.master and _is_used(host, interface, used):
            routed.append(_vertex("overlay", interface, host))  # packets are routed into it, as flannel.1 has it
            box.groups.append(Group(routed[-1]))
    ways = len(routed) + len(by_veth)
    if ways + len(nics) > 1 and (nics or ways > 1):
        box.stack = Vertex("stack", language.term("routing"), host=host.name)
        for nic in box.nics:
            scene.connect(nic, box.stack)
        for vertex in routed:
            scene.connect(box.stack, vertex)
        for vertex, leaf in by_veth:
            scene.connect(box.stack, vertex, leaf.link).points = list(_host_ends(host, leaf))
    return box


def _attached(host: Host, groups: list[InventoryGroup]) -> Iterator[InventoryGroup]:
    """The groups; containers on a network that Docker does not know, by the bridge that they are a port of."""
    bridges = [each for each in host.interfaces if each.kind == "bridge"]
    for group in groups:
        if group.kind != "unknown":
            yield group
            continue
        members: dict[str, list[Leaf]] = {}
        for leaf in group.leaves:
            bridge = next((each.name for each in bridges if _is_port(host, each, leaf)), "")
            members.setdefault(bridge, []).append(leaf)
        for bridge, leaves in members.items():
            kind, title = ("bridge", bridge) if bridge else ("none", "")
            has_tunnel = any(each.kind == "vxlan" and each.master == bridge for each in host.interfaces)
            yield InventoryGroup("overlay" if has_tunnel else kind, title, (), tuple(leaves), "")


def _is_port(host: Host, bridge: Interface, leaf: Leaf) -> bool:
    """Is a container on a bridge: by an interface named after it, or by an address of the bridge's subnet?"""
    if any(each.master == bridge.name and each.name == f"veth-{leaf.container.name}" for each in host.interfaces):
        return True
    own = [ip_address(ip) for ip in (leaf.endpoint.ips if leaf.endpoint else ())]
    return any(address in ip_interface(text).network for text in bridge.addresses for address in own)


def _is_nic(interface: Interface, host: Host, used: Collection[str]) -> bool:
    if interface.name == "lo" or interface.kind in _INNER or interface.master:
        return False
    return bool(without_link_local(interface.addresses)) or f"{host.name}/{interface.name}" in used


def _is_used(host: Host, interface: Interface, used: Collection[str]) -> bool:
    return f"{host.name}/{interface.name}" in used


def _nic(interface: Interface, host: Host) -> Vertex:
    return _vertex("nic", interface, host)


def _vertex(kind: str, interface: Interface, host: Host) -> Vertex:
    addresses = without_link_local(interface.addresses)
    return Vertex(
        kind,
        interface.name,
        addresses,
        [f"{host.name}/{interface.name}"],
        set(interface.ips),
        host.name,
    )


def _bridge(scene: Scene, box: Box, host: Host, bridge: Interface) -> Vertex:
    """A bridge that no Docker network is known of, with its ports."""
    vertex = _vertex("bridge", bridge, host)
    group = Group(vertex)
    for port in host.interfaces:
        if port.master == bridge.name:
            leaf = _vertex("nic", port, host)
            leaf.lines.append(language.pick(f"port of {bridge.name}", f"{bridge.name} 的端口"))
            group.leaves.append(leaf)
            scene.connect(vertex, leaf)
    box.groups.append(group)
    return vertex


def _group(scene: Scene, topology: Topology, host: Host, connected: InventoryGroup, nics: dict[str, Vertex]) -> Group:
    """A group with its containers; on the NIC itself if that is the parent."""
    interface = next((each for each in host.interfaces if each.name == connected.title), None)
    nic = nics.get(connected.title)
    group = Group(None, nic=nic)
    if not connected.title or connected.kind == "routed":
        pass  # nothing shows what they are connected to, or it is the host's routing
    elif nic is not None:
        nic.lines += [line for line in connected.details if line not in nic.lines]
    else:
        group.vertex = _group_vertex(host, connected, interface)
        if connected.kind == "parent":
            group.nic = _carrier(interface, connected.title, nics)
            if group.nic:
                scene.connect(group.nic, group.vertex, "802.1Q")
    for connected_leaf in connected.leaves:
        leaf = _leaf(topology, host, connected_leaf)
        group.leaves.append(leaf)
        outer = group.vertex or nic
        if outer and connected.kind != "none":
            edge = scene.connect(outer, leaf, connected_leaf.link)
            edge.points = list(_host_ends(host, connected_leaf))
    return group


def _group_vertex(host: Host, connected: InventoryGroup, interface: Interface | None) -> Vertex:
    kind = "vlan" if interface and interface.kind == "vlan" else connected.kind
    lines = list(connected.details)
    points = [f"{host.name}/{connected.title}"]
    addresses: set[str] = set()
    if interface:
        own = without_link_local(interface.addresses)
        lines = [*own, *lines]
        addresses = set(interface.ips)
    if connected.kind == "overlay":
        name = connected.title.removeprefix("overlay ")
        points += [f"{host.name}/overlay:{name}/{device}" for device in ("br0", "vxlan0")]
        points += [f"{host.name}/{each.name}" for each in host.interfaces if each.kind == "vxlan"]
    return Vertex(kind, connected.title, lines, points, addresses, host.name)


def _carrier(interface: Interface | None, name: str, nics: dict[str, Vertex]) -> Vertex | None:
    """The NIC that a VLAN interface lies on."""
    parent = (interface.parent if interface else None) or name.rpartition(".")[0]
    return nics.get(parent)


def _leaf(topology: Topology, host: Host, leaf: Leaf) -> Vertex:
    interface, *details = leaf.details or ("",)
    first = f"{interface}  {details[0] if details else ''}".strip()
    endpoint = leaf.endpoint
    return Vertex(
        "container",
        label(topology, leaf),
        [line for line in (first, *details[1:]) if line],
        list(_points_of(host, leaf)),
        set(endpoint.ips) if endpoint else set(),
        host.name,
        {port.host_port for port in leaf.container.ports},
    )


def _points_of(host: Host, leaf: Leaf) -> Iterator[str]:
    """Names of capture points inside a container; of a swarm's load balancer, by the network that it balances."""
    if leaf.endpoint:
        name, interface = leaf.container.name, leaf.endpoint.interface
        yield f"{host.name}/{name}/{interface}"
        balanced = leaf.container.balances or name.removeprefix("lb-").removesuffix("-sbox")
        if balanced != name or leaf.container.balances:
            yield f"{host.name}/balancer:{balanced}/{interface}"


def _host_ends(host: Host, leaf: Leaf) -> Iterator[str]:
    """Names of capture points at the host end of a veth."""
    endpoint = leaf.endpoint
    if endpoint and endpoint.veth:
        yield f"{host.name}/{endpoint.veth}"
        yield f"{host.name}/overlay:{endpoint.network}/{endpoint.veth}"


def _add_wires(scene: Scene, topology: Topology) -> None:
    """A bus for each subnet in which NICs of several hosts have addresses, and one for NICs of a single host."""
    on_subnet: dict[str, list[Vertex]] = {}
    nics = {point: nic for box in scene.boxes for nic in box.nics for point in nic.points}
    for host in topology.hosts:
        for interface in host.interfaces:
            nic = nics.get(f"{host.name}/{interface.name}")
            for address in interface.addresses if nic else ():
                subnet = ip_interface(address).network
                if nic and not subnet.is_link_local and subnet.prefixlen < subnet.max_prefixlen:
                    on_subnet.setdefault(str(subnet), []).append(nic)
    wires: dict[tuple[str, ...], list[str]] = {}
    for name, members in on_subnet.items():
        if len({nic.host for nic in members}) > 1:
            wires.setdefault(tuple(nic.points[0] for nic in members), []).append(name)
    for points, subnets in wires.items():
        bus = Vertex("bus", ", ".join(subnets))
        scene.buses.append(bus)
        for point in dict.fromkeys(points):
            scene.connect(bus, nics[point])
