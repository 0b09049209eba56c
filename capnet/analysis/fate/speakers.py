"""Speakers: for which IP addresses each MAC address speaks, judged from the station table.

A MAC owns an address if it claims the address in ARP, or if packets from the address still have an initial TTL.
Otherwise the MAC forwards for it, as pasta and slirp4netns do for all (`user_mode_macs`). Packets with a small TTL
prove neither: protocols of the local link send them so.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, equal_rows, is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import INITIAL_TTLS, is_multicast, is_multicast_mac
from capnet.analysis.core.schema import Mask, StationTable, Values
from capnet.analysis.user_mode_networks import user_mode_macs
from capnet.quick_dataclass import state
from capnet.wire.addresses import MAPPED, address_text, address_value

SENT, ARP_SENT, RECEIVED = 0, 1, 2  # values of STATION_HOW
MAX_LINK_LOCAL_TTL = 32  # IGMP, SSDP and traceroute start below; a path that uses up 32 of 64 hops does not exist
BROADCAST_MAC = 0xFFFFFFFFFFFF

_COLUMNS = [schema.STATION_MAC, schema.STATION_HOW, schema.STATION_PACKETS, schema.STATION_POINT]
_OWNER = [schema.STATION_MAC, schema.STATION_IP_HI, schema.STATION_IP_LO]

# What an address is to a MAC, and where a speaker has it.
_OWN, _FORWARDED, _AMBIGUOUS, _RECEIVED, _NO_ADDRESS = range(5)
_NAMES = ("own", "forwarded", "ambiguous", "received")
_KINDS = [attrgetter(name) for name in _NAMES]
_NOTHING: Any = MappingProxyType({})  # thousands have it: it cannot be changed
_NO_POINTS: frozenset[int] = frozenset()
_NO_ADDRESSES: frozenset[str] = frozenset()


@state
class Speaker:
    """What the station table says about one MAC. Dictionaries map an address to its packets."""

    mac: int
    own: dict[str, int]
    forwarded: dict[str, int]  # sources of packets that it only passed on
    ambiguous: dict[str, int]  # own or forwarded: only small TTLs were seen
    received: dict[str, int]  # destinations of packets sent to it
    claimed: frozenset[str]  # addresses it claimed in ARP
    sending_points: frozenset[int]
    receiving_points: frozenset[int]
    packets: int
    _own_ips: list[str] | None  # not a cached_property, whose lock takes longer than sorting one address
    _forwarded_ips: list[str] | None

    def __init__(self, mac: int) -> None:  # by hand: `@state` makes each default by a call, ten for each of thousands
        self.mac, self.packets = mac, 0
        self.own = self.forwarded = self.ambiguous = self.received = _NOTHING
        self.claimed = _NO_ADDRESSES
        self.sending_points = self.receiving_points = _NO_POINTS
        self._own_ips = self._forwarded_ips = None

    @property
    def own_ips(self) -> list[str]:
        """IPv4 addresses of the station itself, sorted, without link-local, loopback and group addresses."""
        if self._own_ips is None:
            self._own_ips = sorted(filter(_is_station, self.own), key=address_value)
        return self._own_ips

    @property
    def forwarded_ips(self) -> list[str]:
        """Addresses that it forwards for, sorted. Link-local ones never cross a router (RFC 4007)."""
        if self._forwarded_ips is None:
            ips = (ip for ip in self.forwarded if not is_multicast(ip) and not ip_address(ip).is_link_local)
            self._forwarded_ips = sorted(ips, key=address_value)
        return self._forwarded_ips


def speakers(context: Context, point: int | None = None, *, outside_tunnels: bool = False) -> dict[int, Speaker]:
    """MAC → its speaker, at one point or at all of them, by the time of the first frame. Callers must not change it."""
    if len(context.points) <= 1:
        point = None
    outside_tunnels = outside_tunnels and _has_tunnels(context)
    return _speakers(context, point, outside_tunnels)


@derived
def _has_tunnels(context: Context) -> bool:
    return bool((context.stations[:, schema.STATION_VIA] != 0).any())


@derived
def _speakers(context: Context, point: int | None, outside_tunnels: bool) -> dict[int, Speaker]:
    table = context.stations
    if point is not None:
        table = table[table[:, schema.STATION_POINT] == point]
    if outside_tunnels:
        table = table[table[:, schema.STATION_VIA] == 0]
    macs = table[:, schema.STATION_MAC]
    rows = table[(macs > 0) & (macs != BROADCAST_MAC)]
    rows = rows[np.argsort(rows[:, schema.STATION_FIRST], kind="stable")]
    by_mac = _by_mac(rows, _kinds(rows, table[table[:, schema.STATION_HOW] == ARP_SENT]))
    for mac in user_mode_macs(context).keys() & by_mac.keys():
        speaker = by_mac[mac]
        forwarded = Counter(speaker.forwarded)
        for addresses in (speaker.own, speaker.ambiguous):
            forwarded.update(addresses)
        speaker.forwarded, speaker.own, speaker.ambiguous = dict(forwarded), _NOTHING, _NOTHING
    for speaker in by_mac.values():
        if speaker.forwarded:
            speaker.forwarded = {ip: n for ip, n in speaker.forwarded.items() if ip not in speaker.own}
        if speaker.ambiguous:
            clear = speaker.own.keys() | speaker.forwarded.keys()
            speaker.ambiguous = {ip: n for ip, n in speaker.ambiguous.items() if ip not in clear}
    return by_mac


def _kinds(rows: StationTable, claims: StationTable) -> Values:
    """Per row of the station table, what its address is to its MAC: one of `_KINDS`. `claims`: the rows of ARP."""
    mac, high, low = (rows[:, column] for column in _OWNER)
    is_claimed = _are_in(claims, rows, _OWNER[1:])
    # A MAC that takes part in ARP claims its own addresses there: then the TTL alone is no proof against a claim.
    is_own = is_one_of(rows[:, schema.STATION_TTL_MAX], INITIAL_TTLS)
    is_own &= ~(is_claimed & is_among(mac, claims[:, schema.STATION_MAC]))
    is_own |= _are_in(claims, rows, _OWNER)
    is_ambiguous = (rows[:, schema.STATION_TTL_MAX] <= MAX_LINK_LOCAL_TTL) & ~is_claimed
    kinds = np.where(is_own, _OWN, np.where(is_ambiguous, _AMBIGUOUS, _FORWARDED))
    kinds[rows[:, schema.STATION_HOW] == RECEIVED] = _RECEIVED
    kinds[(high == 0) & is_one_of(low, (0, MAPPED))] = _NO_ADDRESS  # :: and 0.0.0.0
    return kinds


def _are_in(table: StationTable, rows: StationTable, columns: list[int]) -> Mask:
    """Per row: has the table a row with the same values in these columns?"""
    if not len(table):
        return np.zeros(len(rows), dtype=bool)
    first = equal_rows([np.concatenate((table[:, column], rows[:, column])) for column in columns])
    mask: Mask = first[len(table) :] < len(table)
    return mask


def _by_mac(rows: StationTable, kinds: Values) -> dict[int, Speaker]:
    """MAC → its speaker, whose addresses are of these kinds."""
    by_mac: dict[int, Speaker] = {}
    alone = {point: frozenset((point,)) for point in distinct(rows[:, schema.STATION_POINT]).tolist()}
    addresses = map(address_text, *(rows[:, column].tolist() for column in _OWNER[1:]))
    values = zip(kinds.tolist(), addresses, *rows[:, _COLUMNS].T.tolist(), strict=True)
    for kind, address, mac, how, packets, point in values:
        speaker = by_mac.get(mac)
        if speaker is None:
            speaker = by_mac[mac] = Speaker(mac)
        if how != RECEIVED:
            speaker.packets += packets
            if point not in speaker.sending_points:
                speaker.sending_points |= alone[point]
        else:
            if is_multicast_mac(mac):
                speaker.packets += packets
            if point not in speaker.receiving_points:
                speaker.receiving_points |= alone[point]
        if kind != _NO_ADDRESS:
            of_kind = _KINDS[kind](speaker)
            if of_kind:
                of_kind[address] = of_kind.get(address, 0) + packets
            else:
                setattr(speaker, _NAMES[kind], {address: packets})
            if how == ARP_SENT:
                speaker.claimed |= {address}
    return by_mac


def _is_station(ip: str) -> bool:
    first = ip.partition(".")[0]
    return ":" not in ip and 0 < int(first) < 224 and first != "127" and not ip.startswith("169.254.")
