"""Frames to a group, or to all, that pass one point and do not reach another one of the same Ethernet.

Input: flows, flow links, the ARP table, when points listened. Output: `LostGroup`s of multicast and broadcast
datagrams, `HeldBack`s of ARP requests. Method: two points are of one Ethernet for a MAC if its unicast frames go from
one to the other with both MACs and the TTL kept; its frames to groups should go there too, but for a switch that looks
into IGMP. What was sent after the last frame of a point proves nothing: its interface may be gone by then.
Limits: outside of tunnels; not the groups of routing protocols (224.0.0.0/24), which come from the switch itself, too.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct_rows, hash_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_to_groups, is_multicast_mac
from capnet.analysis.core.schema import FlowTable
from capnet.analysis.correlate.clocks import clocks
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.neighbours.question_delays import reference_time
from capnet.analysis.facts.transport.flow_observations import observations_of
from capnet.analysis.fate.listening import listening
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import MAPPED
from capnet.wire.numbers import ARP_REQUEST, UDP

MIN_PACKETS = 3  # one or two may be lost, or lie at the ends of a capture
MIN_SPAN_NS = 1_000_000_000
MIN_DELAY_NS = 2_000_000_000  # of the first request to arrive: clocks of two hosts differ by less
MAX_ROWS = 1000

_KEY = [*schema.FLOW_ADDRESSES, schema.FLOW_DPORT]
_ARP_PAIR = [schema.ARP_SENDER_MAC, schema.ARP_SENDER_LO, schema.ARP_TARGET_LO]


class LostGroup(NamedTuple):
    """Datagrams of one sender to one group and port."""

    row: int  # of the flow table, where they were seen
    due: int  # point that shows none


class HeldBack(NamedTuple):
    """ARP requests of one station for one address."""

    arp: int  # row of the ARP table, where they were seen
    due: int  # point that lacks them
    missing: int
    arrived: int  # row of the ARP table at that point, of those that came later; -1: none came


@derived
def lost_groups(context: Context) -> list[LostGroup]:
    """In order of flow rows."""
    flows, ways = context.flows, _ways(context)
    if not ways:
        return []
    is_wanted = (flows[:, schema.FLOW_PROTO] == UDP) & (flows[:, schema.FLOW_VIA] == 0)
    is_wanted &= packets_without_duplicates(context) >= MIN_PACKETS
    is_wanted &= flows[:, schema.FLOW_LAST] - flows[:, schema.FLOW_FIRST] >= MIN_SPAN_NS
    rows = np.flatnonzero(is_wanted)
    rows = rows[are_to_groups(context, rows) & ~_is_control(flows[rows])][:MAX_ROWS]
    if not len(rows):
        return []
    seen = set(hash_of(flows, [schema.FLOW_POINT, *_KEY]).tolist())
    lost = []
    for row in rows.tolist():
        flow = flows[row]
        for due in ways.get((int(flow[schema.FLOW_POINT]), int(flow[schema.FLOW_SMAC])), ()):
            key = row_hash(np.array([[due, *flow[_KEY]]], dtype=np.int64))
            if int(key[0]) not in seen and _could_hear(context, due) and _lasts(context, row, due):
                lost.append(LostGroup(row, due))
    return lost


@derived
def held_back(context: Context) -> list[HeldBack]:
    """In order of rows of the ARP table."""
    arps, ways = context.arps, _ways(context)
    if not ways:
        return []
    is_request = (arps[:, schema.ARP_OPERATION] == ARP_REQUEST) & (arps[:, schema.ARP_VIA] == 0)
    at = {(row[schema.ARP_POINT], *(row[of] for of in _ARP_PAIR)): number
          for number, row in enumerate(arps.tolist()) if is_request[number]}  # fmt: skip
    held = []
    for number in np.flatnonzero(is_request & (arps[:, schema.ARP_PACKETS] >= MIN_PACKETS)).tolist()[:MAX_ROWS]:
        arp = arps[number].tolist()
        if not is_multicast_mac(arp[schema.ARP_ETH_DESTINATION]):
            continue
        for due in ways.get((arp[schema.ARP_POINT], arp[schema.ARP_SENDER_MAC]), ()):
            arrived = at.get((due, *(arp[of] for of in _ARP_PAIR)), -1)
            packets, first = arps[arrived, [schema.ARP_PACKETS, schema.ARP_FIRST]].tolist() if arrived >= 0 else (0, 0)
            missing = arp[schema.ARP_PACKETS] - packets
            is_late = arrived < 0 or first - arp[schema.ARP_FIRST] >= MIN_DELAY_NS
            if missing >= MIN_PACKETS and is_late and _is_recording(context, due, arp):
                held.append(HeldBack(number, due, missing, arrived))
    return held


@derived
def _ways(context: Context) -> dict[tuple[int, int], list[int]]:
    """(point, MAC) → points that show its unicast frames next, with MACs and TTL kept."""
    flows, links = context.flows, flow_links(context)
    source, target = links.source, links.target
    is_kept = (flows[source, schema.FLOW_VIA] == 0) & (flows[source, schema.FLOW_SMAC] > 0)
    is_kept &= flows[source, schema.FLOW_DMAC] >> 40 & 1 == 0
    is_kept &= flows[source, schema.FLOW_POINT] != flows[target, schema.FLOW_POINT]
    for column in (schema.FLOW_SMAC, schema.FLOW_DMAC, schema.FLOW_TTL, schema.FLOW_VIA, schema.FLOW_VLAN):
        is_kept &= flows[source, column] == flows[target, column]
    source, target = source[is_kept], target[is_kept]
    pairs = (flows[source, schema.FLOW_POINT], flows[source, schema.FLOW_SMAC], flows[target, schema.FLOW_POINT])
    ways: dict[tuple[int, int], list[int]] = {}
    for point, mac, due in distinct_rows(np.column_stack(pairs)).tolist():
        ways.setdefault((point, mac), []).append(due)
    return ways


def _is_control(flows: FlowTable) -> np.ndarray:
    """Per flow: is it to 224.0.0.0/24 (RFC 5771), whose packets stay on the link of their sender?"""
    is_v4 = (flows[:, schema.FLOW_DST_HI] == 0) & (flows[:, schema.FLOW_DST_LO] >> 32 == MAPPED >> 32)
    return is_v4 & (flows[:, schema.FLOW_DST_LO] & 0xFFFFFF00 == 0xE0000000)


def _is_recording(context: Context, due: int, arp: list[int]) -> bool:
    """Is a point shown to record, and dropped nothing, from the first to the last of these requests?"""
    points = listening(context)
    first, last = (
        reference_time(context, arp[schema.ARP_POINT], arp[of]) for of in (schema.ARP_FIRST, schema.ARP_LAST)
    )
    return bool(points.since[due] <= first and last <= points.heard_to[due] and not points.is_dropping[due])


def _could_hear(context: Context, due: int) -> bool:
    """Would a point have recorded these datagrams: it dropped nothing, and was not filtered?"""
    points = listening(context)
    is_unfiltered = points.filter_port[due] < 0 and points.filter_address[due] < 0
    return bool(is_unfiltered and points.hears[due, UDP] and not points.is_dropping[due])


def _lasts(context: Context, row: int, due: int) -> bool:
    """Were enough packets of a flow sent, for long enough, while a point is shown to record?"""
    times_ns = clocks(context).observation_times(context, observations_of(context, row))
    points = listening(context)
    times_ns = times_ns[(times_ns >= points.since[due]) & (times_ns <= points.heard_to[due])]
    return len(times_ns) >= MIN_PACKETS and int(times_ns.max() - times_ns.min()) >= MIN_SPAN_NS
