"""Due points by the networks of a host: a router sends a packet out of the interface whose network has its destination.

Input: flow rows, and the addresses, MACs and routes of the hosts' interfaces in the topology; without one, the stations
that speak at each point. Output: for each row, the point of another interface of the same host, or -1.
Method: the packet is sent to the MAC of the host's own interface, and not to an address of the host. Of the networks of
the host's interfaces and its routes, the longest prefix that has the destination decides. Without a topology, the
destination must be a neighbor at just one other point of the host. What comes in at a container's veth is for the host,
which routes it, or for another port of its bridge.
Limits: a default route decides nothing, because DNAT of a service address comes before it.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from typing import TypeAlias

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, equal_rows
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import Point
from capnet.analysis.core.schema import FlowRows, Values
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.speakers import speakers
from capnet.quick_tuple import NamedTuple
from capnet.topology import Host
from capnet.wire.addresses import address_text, mac_text

Network: TypeAlias = IPv4Network | IPv6Network


_TO = (schema.FLOW_POINT, schema.FLOW_DMAC, *schema.FLOW_DST)


class _HostNetworks(NamedTuple):
    """Of a host: its addresses, the MAC of each interface, and its networks with their interface, longest first."""

    addresses: frozenset[str]
    macs: dict[str, str | None]
    networks: list[tuple[Network, str]]


def other_interface(context: Context, rows: FlowRows) -> tuple[Values, Values]:
    """For each flow row: the point at which its host sends it out, -1 if that is not known; and 1, or 0."""
    due = np.full(len(rows), -1)
    if len({point.host or point.file for point in context.points if point.container is None}) == len(context.points):
        return due, np.zeros(len(rows), dtype=np.int64)  # no host has two points
    outside = np.flatnonzero(context.flows[rows, schema.FLOW_VIA] == 0)
    columns = [context.flows[rows[outside], column] for column in _TO]
    if len(outside):
        first = equal_rows(columns)
        used = distinct(first)
        of_used = [
            _due(context, point, mac, address_text(high, low))
            for point, mac, high, low in zip(*(column[used].tolist() for column in columns), strict=True)
        ]
        due[outside] = np.array(of_used)[np.searchsorted(used, first)]
    return due, np.where(due >= 0, 1, 0)


def _due(context: Context, number: int, mac: int, address: str) -> int:
    point = context.points[number]
    if point.container is not None:
        return -1
    host = _hosts(context).get(point.host or "")
    others = [other for other in range(len(context.points)) if other != number and _is_beside(context, number, other)]
    if host is None:
        is_own = interface_points(context).get(mac) == [number] or point.role == "veth"
        at = [other for other in others if address in _neighbours(context, other)]
        return at[0] if is_own and len(at) == 1 and address not in _neighbours(context, number) else -1
    if host.macs.get(_device(point)) != mac_text(mac) or address in host.addresses:
        return -1
    device = next((device for network, device in host.networks if ip_address(address) in network), None)
    return next((other for other in others if _device(context.points[other]) == device), -1)


def _is_beside(context: Context, number: int, other: int) -> bool:
    """Are two points interfaces of one host's own namespace? Without hosts in their names, those of one file are."""
    first, second = context.points[number], context.points[other]
    if second.container is not None or second.role in ("overlay", "loopback"):
        return False
    return first.host == second.host if first.host or second.host else first.file == second.file


def _device(point: Point) -> str:
    return point.device or point.name.rpartition("/")[2]


@derived
def _hosts(context: Context) -> dict[str, _HostNetworks]:
    """Host → what the topology says of its own network namespace."""
    return {host.name: _networks(host) for host in (context.topology.hosts if context.topology else ())}


def _networks(host: Host) -> _HostNetworks:
    networks: list[tuple[Network, str]] = []
    addresses = set()
    for interface in host.interfaces:
        for address in map(ip_interface, interface.addresses):
            addresses.add(str(address.ip))
            networks.append((address.network, interface.name))
    for route in host.routes:
        if route.destination != "default" and route.interface and route.kind is None:
            networks.append((ip_network(route.destination, strict=False), route.interface))
    networks.sort(key=lambda entry: -entry[0].prefixlen)
    macs = {interface.name: interface.mac for interface in host.interfaces}
    return _HostNetworks(frozenset(addresses), macs, networks)


@derived
def _neighbours(context: Context, point: int) -> frozenset[str]:
    """Addresses of stations that speak at a point with MACs of their own."""
    speaking = speakers(context, point, outside_tunnels=True).values()
    return frozenset(address for speaker in speaking if not speaker.forwarded for address in speaker.own)
