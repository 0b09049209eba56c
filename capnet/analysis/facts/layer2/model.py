"""What `segments` tells about layer 2: stations at each point, macvlan parents, shared MACs, loopback conversations.

Points are indexes of `context.points`, MACs are integers.
"""

from __future__ import annotations

from dataclasses import field
from functools import cached_property
from itertools import pairwise

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import are_multicast_macs
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.schema import FlowRows, Mask, Values
from capnet.analysis.fate.speakers import Speaker
from capnet.quick_dataclass import state
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value

LOOPBACK_IP = "127.0.0.1"


def network_of(address: str) -> str:
    """The network of an IPv4 address, judged by a usual prefix length of 24: its first three octets."""
    return address.rpartition(".")[0]


def same_network(addresses: list[str]) -> bool:
    """Do IPv4 addresses share a network?"""
    return len({network_of(address) for address in addresses}) == 1


class MacvlanChild(NamedTuple):
    """A station with one address and an interface of its own behind a macvlan parent."""

    mac: int
    ip: str
    point: int  # its own interface, or the parent where that was not captured


@state
class MacvlanParent:
    """A network interface behind which stations of its network have interfaces of their own."""

    point: int
    children: list[MacvlanChild]
    outsiders: dict[int, str]  # MAC → address of stations of the same network that are beyond the wire
    host_mac: int | None = None  # of the host that has the interface, where the children do not get its broadcasts
    host_ip: str | None = None
    has_unanswered_host: bool = False  # the host asked for a child's address by ARP and got no answer
    child_frames: list[Evidence] = field(default_factory=list)  # frames between children, at this point
    keeps_child_frames: bool = False  # those frames are missing on the wire, where outsiders were captured
    is_seen_alone: bool = False  # no child's own interface was captured
    confidence: float = 0.0  # that this is macvlan


@state
class SharedMac:
    """One MAC with several IPv4 addresses of its own."""

    mac: int
    ips_at: dict[int, list[str]]  # point → its addresses there
    claimed: list[str]  # addresses that it claimed in ARP
    interfaces: dict[int, str] = field(default_factory=dict)  # its interface points → the address of each
    self_flows: list[int] = field(default_factory=list)  # rows of flows from this MAC to itself, between two addresses

    @cached_property
    def ips(self) -> list[str]:
        """Its addresses at all points, sorted. Complete only when all points were added."""
        return sorted({ip for ips in self.ips_at.values() for ip in ips}, key=address_value)

    @cached_property
    def ip_set(self) -> frozenset[str]:
        """The same addresses, for look-ups."""
        return frozenset(self.ips)

    @property
    def has_several_interfaces(self) -> bool:
        """Were two interfaces with this MAC seen? Otherwise it may be one host's, or a gateway's."""
        return bool(self.self_flows) or len(set(self.interfaces.values())) > 1


class ClaimSpan(NamedTuple):
    """When one MAC claimed an address in ARP: first and last time in ns, and the number of the first frame."""

    first: int
    last: int
    frame: int


class Claims(NamedTuple):
    """An IPv4 address that more than one MAC claims in ARP at one point."""

    point: int
    ip: str
    by: dict[int, ClaimSpan]  # MAC → its claims

    @property
    def at_once(self) -> bool:
        """Do claims of one MAC fall between claims of another? Otherwise the address has moved."""
        spans = sorted((span.first, span.last) for span in self.by.values())
        return any(later[0] <= earlier[1] for earlier, later in pairwise(spans))


class LoopbackConversation(NamedTuple):
    """A conversation inside one network namespace, seen at a loopback point."""

    point: int
    ip: str  # both ends
    frame: int


@state
class Segments:
    """The layer-2 segments at all capture points."""

    speakers: dict[int, dict[int, Speaker]]  # point → MAC → who speaks there outside of tunnels
    interface_points: dict[int, list[int]]  # MAC → points that are its own interface
    loopback_points: set[int]
    silent_points: set[int]  # with no unicast packet
    last_broadcasts: dict[int, dict[int, int]]  # point → MAC → time of its last frame to a group, ns
    macvlan_parents: list[MacvlanParent] = field(default_factory=list)
    shared_macs: list[SharedMac] = field(default_factory=list)
    loopback_conversations: list[LoopbackConversation] = field(default_factory=list)


def unicast(context: Context, point: int) -> FlowRows:
    """Flows at a point, outside of tunnels, to one station: no broadcast, no multicast."""
    flows = context.flows
    is_outside = (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_VIA] == 0)
    destination_mac = flows[:, schema.FLOW_DMAC]
    to_group = (destination_mac > 0) & are_multicast_macs(destination_mac)
    v4 = is_v4(flows[:, schema.FLOW_DST_HI], flows[:, schema.FLOW_DST_LO])
    v4_address = flows[:, schema.FLOW_DST_LO] & 0xFFFFFFFF
    to_group |= v4 & ((v4_address >> 28 == 14) | (v4_address == 0xFFFFFFFF))
    to_group |= ~v4 & (flows[:, schema.FLOW_DST_HI] >> 56 & 0xFF == 0xFF)
    return np.flatnonzero(is_outside & ~to_group)


def is_v4(hi: Values, lo: Values) -> Mask:
    """Is an address IPv4-mapped (RFC 4291)? `hi` and `lo` are its halves."""
    return (hi == 0) & (lo >> 32 == 0xFFFF)
