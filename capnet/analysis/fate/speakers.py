"""Speakers: for which IP addresses each MAC address speaks, judged from the station table.

A MAC owns an address if it claims the address in ARP, or if packets from the address still have an initial TTL.
Otherwise the MAC forwards for it, as pasta and slirp4netns do for all (`user_mode_macs`). Packets with a small TTL
prove neither: protocols of the local link send them so.
"""

from __future__ import annotations

from ipaddress import ip_address

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import INITIAL_TTLS, is_multicast, is_multicast_mac
from capnet.analysis.core.schema import StationTable
from capnet.analysis.user_mode_networks import user_mode_macs
from capnet.quick_dataclass import state
from capnet.wire.addresses import address_text, address_value

SENT, ARP_SENT, RECEIVED = 0, 1, 2  # values of STATION_HOW
MAX_LINK_LOCAL_TTL = 32  # IGMP, SSDP and traceroute start below; a path that uses up 32 of 64 hops does not exist
BROADCAST_MAC = 0xFFFFFFFFFFFF

_Claimants = dict[tuple[int, int], set[int]]  # halves of an address → MACs that claim it in ARP

_COLUMNS = [
    schema.STATION_MAC, schema.STATION_HOW, schema.STATION_PACKETS, schema.STATION_POINT, schema.STATION_TTL_MAX,
    schema.STATION_IP_HI, schema.STATION_IP_LO,
]  # fmt: skip


@state
class Speaker:
    """What the station table says about one MAC. Dictionaries map an address to its packets."""

    mac: int
    own: dict[str, int]
    forwarded: dict[str, int]  # sources of packets that it only passed on
    ambiguous: dict[str, int]  # own or forwarded: only small TTLs were seen
    received: dict[str, int]  # destinations of packets sent to it
    claimed: set[str]  # addresses it claimed in ARP
    sending_points: set[int]
    receiving_points: set[int]
    packets: int
    _own_ips: list[str] | None  # not a cached_property, whose lock takes longer than sorting one address
    _forwarded_ips: list[str] | None

    def __init__(self, mac: int) -> None:  # by hand: `@state` makes each default by a call, ten for each of thousands
        self.mac, self.packets = mac, 0
        self.own, self.forwarded, self.ambiguous, self.received = {}, {}, {}, {}
        self.claimed, self.sending_points, self.receiving_points = set(), set(), set()
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
    outside_tunnels = outside_tunnels and bool((context.stations[:, schema.STATION_VIA] != 0).any())
    return _speakers(context, point, outside_tunnels)


@derived
def _speakers(context: Context, point: int | None, outside_tunnels: bool) -> dict[int, Speaker]:
    table = context.stations
    if point is not None:
        table = table[table[:, schema.STATION_POINT] == point]
    if outside_tunnels:
        table = table[table[:, schema.STATION_VIA] == 0]
    claimants = _claimants(table)
    claiming_macs = set().union(*claimants.values())
    by_mac: dict[int, Speaker] = {}
    macs = table[:, schema.STATION_MAC]
    table = table[(macs > 0) & (macs != BROADCAST_MAC)]
    rows = table[np.argsort(table[:, schema.STATION_FIRST], kind="stable")[:, None], _COLUMNS]
    for mac, how, packets, point_number, ttl_max, hi, lo in rows.tolist():
        speaker = by_mac.get(mac)
        if speaker is None:
            speaker = by_mac[mac] = Speaker(mac)
        _add(speaker, how, packets, point_number, ttl_max, hi, lo, claimants, claiming_macs)
    for mac in user_mode_macs(context).keys() & by_mac.keys():
        speaker = by_mac[mac]
        for addresses in (speaker.own, speaker.ambiguous):
            for ip, packets in addresses.items():
                speaker.forwarded[ip] = speaker.forwarded.get(ip, 0) + packets
            addresses.clear()
    for speaker in by_mac.values():
        if speaker.forwarded:
            speaker.forwarded = {ip: n for ip, n in speaker.forwarded.items() if ip not in speaker.own}
        if speaker.ambiguous:
            clear = speaker.own.keys() | speaker.forwarded.keys()
            speaker.ambiguous = {ip: n for ip, n in speaker.ambiguous.items() if ip not in clear}
    return by_mac


def _claimants(table: StationTable) -> _Claimants:
    columns = [schema.STATION_MAC, schema.STATION_IP_HI, schema.STATION_IP_LO]
    claimants: _Claimants = {}
    for mac, hi, lo in table[table[:, schema.STATION_HOW] == ARP_SENT][:, columns].tolist():
        claimants.setdefault((hi, lo), set()).add(mac)
    return claimants


def _add(
    speaker: Speaker, how: int, packets: int, point: int, ttl_max: int, hi: int, lo: int,
    claimants: _Claimants, claiming_macs: set[int],
) -> None:  # fmt: skip
    """Add one row of the station table, its _COLUMNS, to the speaker of its MAC."""
    mac = speaker.mac
    if how != RECEIVED:
        speaker.packets += packets
        speaker.sending_points.add(point)
    else:
        speaker.receiving_points.add(point)
        if is_multicast_mac(mac):
            speaker.packets += packets
    address = address_text(hi, lo)
    if address in ("0.0.0.0", "::"):
        return
    if how == RECEIVED:
        speaker.received[address] = speaker.received.get(address, 0) + packets
        return
    if how == ARP_SENT:
        speaker.claimed.add(address)
    owners = claimants.get((hi, lo), ())
    # A MAC that takes part in ARP claims its own addresses there: then the TTL alone is no proof against a claim.
    if mac in owners or (ttl_max in INITIAL_TTLS and (not owners or mac not in claiming_macs)):
        addresses = speaker.own
    elif ttl_max <= MAX_LINK_LOCAL_TTL and not owners:
        addresses = speaker.ambiguous
    else:
        addresses = speaker.forwarded
    addresses[address] = addresses.get(address, 0) + packets


def _is_station(ip: str) -> bool:
    first = ip.partition(".")[0]
    return ":" not in ip and 0 < int(first) < 224 and first != "127" and not ip.startswith("169.254.")
