"""Which MAC addresses spoke, for which IP addresses, and what kind of thing is each?

One row per MAC, all points together. A MAC that forwards for others is shown with its own addresses only, as far as
they can be told: those it named in ARP, or those whose packets still had an initial TTL.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import INITIAL_TTLS, is_multicast, is_multicast_mac
from capnet.analysis.core.results import Station
from capnet.analysis.core.schema import (
    FLOW_DMAC,
    FLOW_POINT,
    FLOW_SMAC,
    FLOW_VIA,
    STATION_FIRST,
    STATION_HOW,
    STATION_IP_HI,
    STATION_IP_LO,
    STATION_MAC,
    STATION_PACKETS,
    STATION_POINT,
    STATION_TTL_MAX,
    STATION_VIA,
)
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.wire.addresses import address_text, address_value, mac_text, mac_value

SENT, ARP_SENT, RECEIVED = 0, 1, 2  # STATION_HOW
LINK_LOCAL_TTL = 32  # sent so to stay near (IGMP, SSDP) or to be heard of (traceroute); no way uses up as much of 64
MOST_IPS = 64  # listed per station: a router may speak for half the Internet


@dataclass(slots=True)
class Speaker:
    """What the station table says about one MAC."""

    mac: int
    own: dict[str, int] = field(default_factory=dict)  # its own addresses → packets
    forwarded: dict[str, int] = field(default_factory=dict)  # addresses whose packets it only passed on
    unclear: dict[str, int] = field(default_factory=dict)  # either of both: nothing but small TTLs was seen of them
    received: dict[str, int] = field(default_factory=dict)  # destinations of packets sent to it
    named: set[str] = field(default_factory=set)  # addresses it claimed in ARP
    points: set[int] = field(default_factory=set)  # where it sent
    reached: set[int] = field(default_factory=set)  # where something was sent to it
    packets: int = 0
    own_v4: list[str] | None = None  # by segments.own_ips()


def station_facts(context: Context) -> list[Station]:
    """Stations in order of first sight."""
    homes, put_in = home_points(context), translated_to(context)
    return [_fact(context, speaker, homes, put_in) for speaker in speakers(context).values()]


def translated_to(context: Context) -> set[str]:
    """Addresses that NAT puts into packets: on a bridge, into frames that keep a container's MAC (hairpins)."""
    found = {row.after.src for row in nat_facts(context) if "snat" in row.kind}
    return found | {row.before.dst for row in nat_facts(context) if "dnat" in row.kind}


def speakers(context: Context, point: int | None = None, *, bare: bool = False) -> dict[int, Speaker]:
    """MAC → what it speaks for, at one point or at all; `bare`: outside of tunnels only. Not to be changed."""
    if len(context.points) <= 1:
        point = None
    return _speakers(context, point, bare)


@derived
def _speakers(context: Context, point: int | None, bare: bool) -> dict[int, Speaker]:
    table = context.stations
    if point is not None:
        table = table[table[:, STATION_POINT] == point]
    if bare:
        table = table[table[:, STATION_VIA] == 0]
    found: dict[int, Speaker] = {}
    claims: dict[tuple[int, int], set[int]] = {}  # address → MACs that named it in ARP
    named = table[table[:, STATION_HOW] == ARP_SENT]
    for mac, hi, lo in named[:, [STATION_MAC, STATION_IP_HI, STATION_IP_LO]].tolist():
        claims.setdefault((hi, lo), set()).add(mac)
    resolves = set().union(*claims.values())
    for row in table[np.argsort(table[:, STATION_FIRST], kind="stable")].tolist():
        mac, hi, lo = row[STATION_MAC], row[STATION_IP_HI], row[STATION_IP_LO]
        if mac <= 0 or mac == 0xFFFFFFFFFFFF:
            continue
        speaker = found.get(mac) or found.setdefault(mac, Speaker(mac))
        how, packets, at = row[STATION_HOW], row[STATION_PACKETS], row[STATION_POINT]
        speaker.packets += packets if how != RECEIVED or is_multicast_mac(mac) else 0
        (speaker.reached if how == RECEIVED else speaker.points).add(at)
        address = address_text(hi, lo)
        if address in ("0.0.0.0", "::") or (hi, lo) == (0, 0):
            continue
        owners = claims.get((hi, lo), set())
        if how == ARP_SENT:
            speaker.named.add(address)
        if how == RECEIVED:
            kind = speaker.received
        elif mac in owners or (row[STATION_TTL_MAX] in INITIAL_TTLS and (mac not in resolves or not owners)):
            kind = speaker.own
        elif row[STATION_TTL_MAX] <= LINK_LOCAL_TTL and not owners:
            kind = speaker.unclear
        else:
            kind = speaker.forwarded
        kind[address] = kind.get(address, 0) + packets
    for speaker in found.values():
        if speaker.forwarded:
            speaker.forwarded = {ip: n for ip, n in speaker.forwarded.items() if ip not in speaker.own}
        if speaker.unclear:
            known = speaker.own.keys() | speaker.forwarded.keys()
            speaker.unclear = {ip: n for ip, n in speaker.unclear.items() if ip not in known}
    return found


@derived
def home_points(context: Context) -> dict[int, list[int]]:
    """MAC → points that are its own interface: every unicast frame there is from it or to it.

    Where only two parties speak, the packets' ways decide: they start at the sender's interface and end at the
    receiver's.
    """
    flows = context.flows
    found = flow_links(context)
    homes: dict[int, list[int]] = {}
    for point, place in enumerate(context.points):
        if place.role in ("bridge", "veth", "overlay", "loopback"):
            continue
        here = np.flatnonzero(
            (flows[:, FLOW_POINT] == point)
            & (flows[:, FLOW_VIA] == 0)
            & (flows[:, FLOW_SMAC] > 0)
            & (flows[:, FLOW_DMAC] > 0)
        )
        here = here[(flows[here, FLOW_DMAC] >> 40 & 1) == 0]
        parts: Counter[int] = Counter()
        for column in (FLOW_SMAC, FLOW_DMAC):
            macs, counts = np.unique(flows[here, column], return_counts=True)
            parts.update(dict(zip(macs.tolist(), counts.tolist(), strict=True)))
        # A frame from a MAC to itself counts once (ipvlan: both ends have the card's).
        twice = flows[here, FLOW_SMAC] == flows[here, FLOW_DMAC]
        parts.subtract(Counter(flows[here[twice], FLOW_SMAC].tolist()))
        everywhere = [mac for mac, count in parts.items() if count == len(here)]
        if len(everywhere) > 1:
            starts = here[(found.before[here] < 0) & (found.after[here] >= 0)]
            stops = here[(found.before[here] >= 0) & (found.after[here] < 0)]
            ends = Counter([*flows[starts, FLOW_SMAC].tolist(), *flows[stops, FLOW_DMAC].tolist()])
            everywhere = [mac for mac, _ in ends.most_common(1) if mac in everywhere]
        if len(everywhere) == 1:
            homes.setdefault(everywhere[0], []).append(point)
    return homes


def _fact(context: Context, speaker: Speaker, homes: dict[int, list[int]], put_in: set[str]) -> Station:
    group = is_multicast_mac(speaker.mac)
    own = speaker.received if group else speaker.own or speaker.forwarded or speaker.unclear
    if not own and not speaker.points:  # it never spoke: what was sent to it is all there is, if it is one address
        own = speaker.received if len(speaker.received) == 1 else {}
    ips = [ip for ip in own if group or not is_multicast(ip)]
    if len(ips) > 1 and put_in:
        ips = [ip for ip in ips if ip not in put_in or ip in speaker.named] or ips
    if len(ips) > 1:
        ips = sorted(ips, key=address_value)[:MOST_IPS]
    points = speaker.points or speaker.reached
    return Station(
        mac=mac_text(speaker.mac),
        ips=ips,
        names=_names(context, speaker.mac, ips, own is not speaker.forwarded),
        points=[context.points[point].name for point in sorted(points)],
        packets=speaker.packets,
        kind="multicast" if group else _kind(context, speaker, homes),
    )


def _names(context: Context, mac: int, ips: list[str], own: bool) -> list[str]:
    """Of its addresses, or as the topology calls the MAC: that first, where the addresses are not its own."""
    by_address = {context.names[ip] for ip in ips if ip in context.names}
    by_mac = {name for name, _ in _known(context, mac)}
    return sorted((by_address or by_mac) if own else (by_mac or by_address))


def _kind(context: Context, speaker: Speaker, homes: dict[int, list[int]]) -> str:
    known = {kind for _, kind in _known(context, speaker.mac)}
    if len(known) == 1:
        return known.pop()
    roles = {context.points[point].role for point in homes.get(speaker.mac, ())}
    forwards = any(not is_multicast(ip) for ip in speaker.forwarded)
    if "container" in roles:
        return "container"
    if roles & {"parent", "underlay"}:
        return "host"
    seen_at = {context.points[point].role for point in speaker.points}
    if seen_at & {"parent", "underlay"} and speaker.own and not forwards:
        return "external"
    if seen_at & {"bridge", "veth", "container"}:
        if forwards:
            return "bridge"  # on a bridge, what passes packets on is the bridge's own interface
        return "container" if speaker.own and "overlay" not in seen_at else "unknown"
    if forwards:
        return "router"
    return "external" if seen_at & {"parent", "underlay"} and speaker.own else "unknown"


def _known(context: Context, mac: int) -> list[tuple[str, str]]:
    """(name, kind) of a MAC by the topology; the same MAC may exist on several hosts."""
    return _known_macs(context).get(mac, [])


@derived
def _known_macs(context: Context) -> dict[int, list[tuple[str, str]]]:
    known: dict[int, list[tuple[str, str]]] = {}
    if context.topology is None:
        return known
    for container in context.topology.containers:
        for endpoint in container.endpoints:
            if endpoint.mac:
                known.setdefault(mac_value(endpoint.mac), []).append((container.name, "container"))
    for host in context.topology.hosts:
        for interface in host.interfaces:
            if interface.mac and interface.kind != "vxlan":
                bridge = interface.kind == "bridge"
                name = f"{host.name}/{interface.name}" if bridge else host.name
                known.setdefault(mac_value(interface.mac), []).append((name, "bridge" if bridge else "host"))
    return known
