"""Layer 2 in words that `segments` fills: stations, cards with children, shared MACs; and plain questions."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address
from itertools import pairwise

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import is_multicast
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.schema import FLOW_DMAC, FLOW_DST_HI, FLOW_DST_LO, FLOW_POINT, FLOW_VIA
from capnet.analysis.facts.stations import Speaker
from capnet.wire.addresses import address_value

RETRY_NS = 2_000_000_000  # between repetitions of an ARP request that nobody answers, at most
LOCAL = "127.0.0.1"
MOST_STATIONS = 256  # at one point: beyond, it is a backbone and no card of a host


def own_ips(speaker: Speaker) -> list[str]:
    """IPv4 addresses of a station itself, without link-local ones, loopback and groups."""
    if speaker.own_v4 is None:
        speaker.own_v4 = sorted(filter(_is_station, speaker.own), key=address_value) if speaker.own else []
    return speaker.own_v4


def _is_station(ip: str) -> bool:
    first = ip.partition(".")[0]
    return ":" not in ip and 0 < int(first) < 224 and first != "127" and not ip.startswith("169.254.")


def passed_on(speaker: Speaker) -> list[str]:
    """Addresses whose packets a MAC only forwards. Link-local ones never cross a router (RFC 4007)."""
    if not speaker.forwarded:
        return []
    return sorted(
        (ip for ip in speaker.forwarded if not is_multicast(ip) and not ip_address(ip).is_link_local),
        key=address_value,
    )


def network_of(address: str) -> str:
    """The network of an IPv4 address, judged by a usual prefix length: its first three octets."""
    return address.rpartition(".")[0]


def same_network(addresses: list[str]) -> bool:
    """Do IPv4 addresses share a network?"""
    return len({network_of(address) for address in addresses}) == 1


@dataclass
class Child:
    """A station with one address and an interface of its own behind a card."""

    mac: int
    ip: str
    leaf: int  # point that is its own interface


@dataclass
class Card:
    """A network card (point `point`) behind which stations of its network have interfaces of their own."""

    point: int
    children: list[Child]
    outsiders: dict[int, str]  # MAC → address: stations of the same network that are beyond the wire
    host: int | None = None  # MAC of the host whose card it is, where its broadcasts do not reach the children
    host_ip: str | None = None
    in_vain: bool = False  # the host asked for a child's address by ARP and got no answer
    inward: list[Evidence] = field(default_factory=list)  # frames between children, at this point
    only_inside: bool = False  # those frames are missing on the wire, where outsiders listened
    watched_alone: bool = False  # seen at this point only: no child's own interface was captured
    sure: float = 0.0  # how sure it is that this is macvlan, 0 to 1, by what of this was seen


@dataclass
class SharedMac:
    """One MAC with several IPv4 addresses of its own."""

    mac: int
    at: dict[int, list[str]]  # point → its addresses there
    named: list[str]  # of them, those that it claimed in ARP
    interfaces: dict[int, str] = field(default_factory=dict)  # point → the one address that has a part in all there
    mirrored: list[int] = field(default_factory=list)  # rows of flows from this MAC to itself, between two addresses

    @cached_property
    def ips(self) -> list[str]:
        """At all points, when these are known. A file may have thousands of both."""
        return sorted({ip for ips in self.at.values() for ip in ips}, key=address_value)

    @cached_property
    def ip_set(self) -> frozenset[str]:
        return frozenset(self.ips)

    @property
    def proven(self) -> bool:
        """Were two interfaces with this MAC seen? Otherwise it may be one host's, or a gateway's."""
        return bool(self.mirrored) or len(set(self.interfaces.values())) > 1


@dataclass
class Claims:
    """An IPv4 address that more than one MAC claims in ARP at one point."""

    point: int
    ip: str
    by: dict[int, tuple[int, int, int]]  # MAC → times of the first and last claim, frame of the first

    @property
    def at_once(self) -> bool:
        """Do claims of one fall between claims of another? Otherwise the address has moved."""
        spans = sorted((first, last) for first, last, _ in self.by.values())
        return any(later[0] <= earlier[1] for earlier, later in pairwise(spans))


@dataclass
class Talk:
    """A conversation that stays inside one network namespace, seen at a loopback point."""

    point: int
    ip: str  # the address that talks to itself
    frame: int


@dataclass
class Segments:
    """What `segments` returns; points are numbers, MACs too."""

    at: dict[int, dict[int, Speaker]]  # point → who speaks there outside of tunnels
    homes: dict[int, list[int]]  # MAC → points that are its own interface
    loopbacks: set[int]
    silent: set[int]  # points that heard nothing that was sent to somebody
    broadcasts: dict[int, dict[int, int]]  # point → sender → time of its last frame to a group
    cards: list[Card] = field(default_factory=list)
    shared: list[SharedMac] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)


def unicast(context: Context, point: int) -> np.ndarray:
    """Rows of the flows at a point, outside of tunnels, that were sent to one station."""
    flows = context.flows
    here = (flows[:, FLOW_POINT] == point) & (flows[:, FLOW_VIA] == 0)
    group = (flows[:, FLOW_DMAC] > 0) & (flows[:, FLOW_DMAC] >> 40 & 1 == 1)
    v4 = is_v4(flows[:, FLOW_DST_HI], flows[:, FLOW_DST_LO])
    address = flows[:, FLOW_DST_LO] & 0xFFFFFFFF
    group |= v4 & ((address >> 28 == 14) | (address == 0xFFFFFFFF))
    group |= ~v4 & (flows[:, FLOW_DST_HI] >> 56 & 0xFF == 0xFF)
    return np.flatnonzero(here & ~group)


def is_v4(hi: np.ndarray, lo: np.ndarray) -> np.ndarray:
    return (hi == 0) & (lo >> 32 == 0xFFFF)
