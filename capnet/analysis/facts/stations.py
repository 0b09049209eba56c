"""Stations: one row per MAC address, with its IP addresses, names, points and kind.

Input: speakers, interface points, NAT facts and the topology. A MAC that forwards is shown with its own addresses only,
if any are seen.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import is_multicast, is_multicast_mac
from capnet.analysis.core.results import Station
from capnet.analysis.facts.layer2.model import same_network
from capnet.analysis.facts.layer2.vlans import vlans_of_macs
from capnet.analysis.facts.models.container_signs import (
    ContainerMac,
    container_macs,
    is_container_bridge,
    is_docker_bridge,
    is_engine_point,
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


def station_facts(context: Context) -> list[Station]:
    """Stations in order of their first frame."""
    lookups = _Lookups(
        addresses_set_by_nat(context),
        _topology_interfaces(context),
        vlans_of_macs(context),
        user_mode_macs(context),
        container_macs(context),
        ["bridge" if is_container_bridge(point.name) else point.role for point in context.points],
    )
    return [_fact(context, lookups, speaker) for speaker in speakers(context).values()]


class _Lookups(NamedTuple):
    """What every station is compared with, looked up once for thousands of them."""

    nat_addresses: set[str]
    interfaces: dict[int, list[_TopologyInterface]]  # of the topology, by MAC
    vlans: dict[int, list[int]]  # tags of frames, by MAC
    processes: dict[int, str]  # user-mode networks, by MAC
    containers: dict[int, ContainerMac]
    roles: list[str]  # of each point; `bridge`, if it is called as a bridge of containers


def _fact(context: Context, lookups: _Lookups, speaker: Speaker) -> Station:
    """The station of a MAC."""
    is_group, interfaces = is_multicast_mac(speaker.mac), lookups.interfaces.get(speaker.mac, [])
    addresses = speaker.received if is_group else speaker.own or speaker.forwarded or speaker.ambiguous
    if not addresses and not speaker.sending_points and len(speaker.received) == 1:
        addresses = speaker.received  # a station that never sent is the one destination of what it gets
    ips = [ip for ip in addresses if is_group or not is_multicast(ip)]
    if len(ips) > 1:
        if lookups.nat_addresses:
            ips = [ip for ip in ips if ip not in lookups.nat_addresses or ip in speaker.claimed] or ips
        ips = sorted(ips, key=address_value)[:MAX_IPS]
    points = speaker.sending_points or speaker.receiving_points
    return Station(
        mac=mac_text(speaker.mac),
        ips=ips,
        names=_names(context, lookups.processes.get(speaker.mac), interfaces, ips, addresses is not speaker.forwarded),
        points=[context.points[point].name for point in sorted(points)],
        packets=speaker.packets,
        kind="multicast" if is_group else _kind(context, lookups, speaker, interfaces),
        vlan=lookups.vlans.get(speaker.mac, []),
    )


def _names(
    context: Context, process: str | None, interfaces: list[_TopologyInterface], ips: list[str], owns_ips: bool
) -> list[str]:
    """Names of its addresses, or of the MAC in the topology; of a MAC that only forwards, the other way round."""
    if process:
        return [process]
    by_address = {context.names[ip] for ip in ips if ip in context.names}
    if not by_address and not interfaces:
        return []
    by_mac = {interface.name for interface in interfaces}
    return sorted((by_address or by_mac) if owns_ips else (by_mac or by_address))


def _kind(context: Context, lookups: _Lookups, speaker: Speaker, interfaces: list[_TopologyInterface]) -> str:
    """`Station.kind` by the topology, else by how its MAC is made, else by the roles of points where it was seen."""
    if interfaces and len({interface.kind for interface in interfaces}) == 1:
        return interfaces[0].kind
    if speaker.mac in lookups.processes:
        return "router"
    forwards = any(not is_multicast(ip) for ip in speaker.forwarded)
    if speaker.mac in lookups.containers and not forwards:
        return "container"
    if is_docker_bridge(context, speaker):
        return "bridge"
    own_roles = {context.points[point].role for point in interface_points(context).get(speaker.mac, ())}
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
        if _is_gateway(speaker):
            return "bridge"
        is_container = speaker.own and "overlay" not in roles and _is_at_an_engine(context, speaker)
        return "container" if is_container else "unknown"
    return "router" if forwards else "unknown"


def _is_gateway(speaker: Speaker) -> bool:
    """Do others send it packets for networks that none of its own addresses is in? Nothing of these need come back."""
    own = [ip for ip in speaker.own if ":" not in ip]
    return bool(own) and any(
        ":" not in ip and not is_multicast(ip) and not any(same_network([ip, each]) for each in own)
        for ip in speaker.received
    )


def _is_at_an_engine(context: Context, speaker: Speaker) -> bool:
    """Is it at a bridge or veth of containers? Virtual machines and routers have bridges and veths as well."""
    points = [context.points[point] for point in speaker.sending_points]
    if context.topology is not None or any(is_engine_point(point.name, point.role) for point in points):
        return True
    return shows_containers(context) and any(point.role == "veth" for point in points)


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
