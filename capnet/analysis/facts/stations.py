"""Stations: one row per MAC address, with its IP addresses, names, points and kind.

Input: speakers, interface points, NAT facts and the topology. A MAC that forwards is shown with its own addresses only,
if any are seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from ipaddress import ip_address
from typing import overload

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import is_multicast, is_multicast_mac
from capnet.analysis.core.results import Station
from capnet.analysis.facts.layer2.model import same_network
from capnet.analysis.facts.layer2.vlans import vlans_of_macs
from capnet.analysis.facts.models.container_signs import (
    CALICO_MAC,
    ContainerMac,
    bridge_gateways,
    calico_pods,
    container_macs,
    is_container_bridge,
    is_engine_point,
    may_be_docker_bridge,
    shows_containers,
)
from capnet.analysis.facts.nat.addresses import addresses_set_by_nat
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.speakers import Speaker, speakers
from capnet.analysis.user_mode_networks import user_mode_macs
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value, mac_text, mac_value

MAX_IPS = 64  # listed per station: a router may speak for half the Internet
_ON_A_NETWORK = {"parent", "underlay"}  # roles of points on the host's own network
_ON_A_HOST = {"bridge", "veth", "container"}


class Stations(Sequence[Station]):
    """Stations in order of their first frame. They are made when one is asked for, from what is kept of the capture."""

    def __init__(self, stations: Collection[Speaker], lookups: _Lookups) -> None:
        self._speakers, self._lookups = stations, lookups

    def __len__(self) -> int:
        return len(self._speakers)

    @overload
    def __getitem__(self, index: int) -> Station: ...
    @overload
    def __getitem__(self, index: slice) -> list[Station]: ...
    def __getitem__(self, index: int | slice) -> Station | list[Station]:
        return self._made[index]

    def __iter__(self) -> Iterator[Station]:
        return iter(self._made)

    @cached_property
    def _made(self) -> list[Station]:
        return [_fact(self._lookups, speaker) for speaker in self._speakers]


def station_facts(context: Context) -> Stations:
    """One station for each MAC address."""
    names = [point.name for point in context.points]
    bridges = frozenset(number for number, name in enumerate(names) if is_container_bridge(name))
    lookups = _Lookups(
        nat_addresses=addresses_set_by_nat(context),
        names=context.names,
        interfaces=_topology_interfaces(context),
        vlans=vlans_of_macs(context),
        processes=user_mode_macs(context),
        containers=container_macs(context),
        calico_pods=calico_pods(context),
        gateways=bridge_gateways(context).keys(),
        bridges=bridges,
        own_roles={
            mac: {context.points[point].role for point in own} for mac, own in interface_points(context).items()
        },
        points=names,
        roles=["bridge" if number in bridges else point.role for number, point in enumerate(context.points)],
        engine_points=_engine_points(context),
        point_names={},
    )
    return Stations(speakers(context).values(), lookups)


class _Lookups(NamedTuple):
    """What every station is compared with, looked up once for thousands of them."""

    nat_addresses: set[str]
    names: dict[str, str]  # of addresses
    interfaces: dict[int, list[_TopologyInterface]]  # of the topology, by MAC
    vlans: dict[int, list[int]]  # tags of frames, by MAC
    processes: dict[int, str]  # user-mode networks, by MAC
    containers: dict[int, ContainerMac]
    calico_pods: Collection[int]  # MACs of pods
    gateways: Collection[int]  # MACs of bridges made by Docker
    bridges: frozenset[int]  # points that are called as bridges of containers
    own_roles: dict[int, set[str]]  # MAC → roles of the points that are its own interface
    points: list[str]  # the name of each
    roles: list[str]  # of each point; `bridge`, if it is called as a bridge of containers
    engine_points: frozenset[int]  # where containers may be
    point_names: dict[frozenset[int], list[str]]  # of points together, in order: filled as they are asked for


def _engine_points(context: Context) -> frozenset[int]:
    """Points at bridges or veths of containers. Virtual machines and routers have bridges and veths as well."""
    points = enumerate(context.points)
    if context.topology is not None:
        return frozenset(number for number, _ in points)
    are_shown = shows_containers(context)
    return frozenset(
        number
        for number, point in points
        if is_engine_point(point.name, point.role) or (are_shown and point.role == "veth")
    )


def _fact(lookups: _Lookups, speaker: Speaker) -> Station:
    """The station of a MAC."""
    mac = speaker.mac
    is_group, interfaces = is_multicast_mac(mac), lookups.interfaces.get(mac, [])
    addresses = speaker.received if is_group else speaker.own or speaker.forwarded or speaker.ambiguous
    if not addresses and not speaker.sending_points and len(speaker.received) == 1:
        addresses = speaker.received  # a station that never sent is the one destination of what it gets
    ips = [ip for ip in addresses if is_group or not is_multicast(ip)]
    if len(ips) > 1:
        if lookups.nat_addresses:
            ips = [ip for ip in ips if ip not in lookups.nat_addresses or ip in speaker.claimed] or ips
        ips = sorted(ips, key=address_value)[:MAX_IPS]
    points = speaker.sending_points or speaker.receiving_points
    point_names = lookups.point_names.get(points)
    if point_names is None:
        point_names = lookups.point_names[points] = [lookups.points[point] for point in sorted(points)]
    names = []
    if interfaces or lookups.names or lookups.processes:
        names = _names(lookups, mac, interfaces, ips, addresses is not speaker.forwarded)
    kind = "multicast" if is_group else _kind(lookups, speaker, interfaces)
    return Station(mac_text(mac), ips, names, [*point_names], speaker.packets, kind, [*lookups.vlans.get(mac, ())])


def _names(
    lookups: _Lookups, mac: int, interfaces: list[_TopologyInterface], ips: list[str], owns_ips: bool
) -> list[str]:
    """Names of its addresses, or of the MAC in the topology; of a MAC that only forwards, the other way round."""
    if mac in lookups.processes:
        return [lookups.processes[mac]]
    by_address = {lookups.names[ip] for ip in ips if ip in lookups.names}
    by_mac = {interface.name for interface in interfaces}
    return sorted((by_address or by_mac) if owns_ips else (by_mac or by_address))


def _kind(lookups: _Lookups, speaker: Speaker, interfaces: list[_TopologyInterface]) -> str:
    """`Station.kind` by the topology, else by how its MAC is made, else by the roles of points where it was seen."""
    mac = speaker.mac
    if interfaces and len({interface.kind for interface in interfaces}) == 1:
        return interfaces[0].kind
    if mac in lookups.processes:
        return "router"
    if mac == CALICO_MAC and lookups.calico_pods:
        return "host"
    forwards = bool(speaker.forwarded) and not all(map(is_multicast, speaker.forwarded))
    if not forwards and (mac in lookups.containers or mac in lookups.calico_pods):
        return "container"
    if may_be_docker_bridge(mac) and (mac in lookups.gateways or speaker.sending_points & lookups.bridges):
        return "bridge"
    own_roles = lookups.own_roles.get(mac, set())
    roles = {lookups.roles[point] for point in speaker.sending_points}
    if "container" in own_roles:
        return "container"
    if own_roles & _ON_A_NETWORK:
        return "host"
    if roles & _ON_A_NETWORK and speaker.own and not forwards:
        return "external"
    if roles & _ON_A_HOST:
        if forwards:
            return "bridge"  # on a bridge, only the bridge's own interface forwards
        if _is_gateway(speaker) or (speaker.sending_points & lookups.bridges and _has_first_address(speaker)):
            return "bridge"
        # A host's end of a veth asks for routers by its link-local address as the container does.
        is_addressed = any(not ip_address(ip).is_link_local for ip in speaker.own)
        is_container = is_addressed and "overlay" not in roles and speaker.sending_points & lookups.engine_points
        return "container" if is_container else "unknown"
    return "router" if forwards else "unknown"


def _is_gateway(speaker: Speaker) -> bool:
    """Do others send it packets for networks that none of its own addresses is in? Nothing of these need come back."""
    own = [ip for ip in speaker.own if ":" not in ip]
    return bool(own) and any(
        ":" not in ip and not is_multicast(ip) and not any(same_network([ip, each]) for each in own)
        for ip in speaker.received
    )


def _has_first_address(speaker: Speaker) -> bool:
    """Has it the address of its network that Docker, Podman and CNI give to the bridge itself?"""
    return any(ip.endswith(".1") for ip in speaker.own if ":" not in ip)


class _TopologyInterface(NamedTuple):
    name: str
    kind: str  # of the station that has it: container, bridge or host


@derived
def _topology_interfaces(context: Context) -> dict[int, list[_TopologyInterface]]:
    """MAC → interfaces of the topology that have it: several hosts may have the same MAC."""
    by_mac: dict[int, list[_TopologyInterface]] = {}
    if context.topology is None:
        return by_mac
    for container in context.topology.containers:
        for endpoint in container.endpoints:
            if endpoint.mac:
                by_mac.setdefault(mac_value(endpoint.mac), []).append(_TopologyInterface(container.name, "container"))
    for host in context.topology.hosts:
        for interface in host.interfaces:
            if interface.mac and interface.kind != "vxlan":
                is_bridge = interface.kind == "bridge"
                name = f"{host.name}/{interface.name}" if is_bridge else host.name
                kind = "bridge" if is_bridge else "host"
                by_mac.setdefault(mac_value(interface.mac), []).append(_TopologyInterface(name, kind))
    return by_mac
