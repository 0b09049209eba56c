"""Packets that a capture at `any` dropped where nothing counts them.

One socket hears all interfaces of the host, and drops from all of them while its buffer is full: where one of them
misses packets that passed it, absence proves a loss at none.
Input: flow links, observations, replies. Output: per point, how many packets passed it unrecorded, at least.
Method: a packet that leaves by one interface came in by another, if those of its flow do; and octets of TCP that no
interface shows passed if the receiver acknowledges them. A host resets connections in the name of others, and joins
fragments: not by a RST, nor in a flow with fragments.
Limits: packets of the capture's first moments may have come in before it listened. A sample has no octets.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import are_repeated, distinct, is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, replies
from capnet.analysis.core.schema import FlowMask, Mask, PerFlow, Values
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.correlate.tcp_gaps import MAX_IN_FLIGHT, sequence_gaps
from capnet.analysis.fate.unrecorded.unrecorded_packets import (
    begin_in_segments,
    misses_packets,
    observations_by_flow,
    sequence_distance,
)
from capnet.wire.numbers import (
    ICMP_ECHO_REPLY,
    ICMP_ECHO_REQUEST,
    ICMPV6_ECHO_REPLY,
    ICMPV6_ECHO_REQUEST,
    TCP,
    TCP_ACK,
    TCP_RST,
)

MAX_FLOWS = 1000  # whose segments are looked at one by one
START_NS = 2_000_000  # of a capture: a host forwards in microseconds, a busy one in a millisecond
PACE_FRAMES = 30  # before a packet, by which the pace of the capture is measured: a ring holds many more
MIN_SILENCE = 10  # times the pace: five packets at two interfaces each
_HALF_CIRCLE = 1 << 31
_ECHOES = [kind << 8 for kind in (ICMP_ECHO_REQUEST, ICMP_ECHO_REPLY, ICMPV6_ECHO_REQUEST, ICMPV6_ECHO_REPLY)]


@derived
def dropped_at_any(context: Context) -> Values:
    """Per point: how many packets passed this interface of a capture at `any` unrecorded, at least."""
    counts = np.zeros(max(len(context.points), 1), dtype=np.int64)
    for points in captures_at_any(context):
        counts += _came_by_none(context, points) + _acknowledged_unseen(context, points)
    return counts


@derived
def misses_packets_at_any(context: Context) -> Mask:
    """Per point: is it an interface of a capture at `any` that dropped packets, there or at another interface?"""
    misses = np.zeros(max(len(context.points), 1), dtype=bool)
    for points in captures_at_any(context):
        misses[points] = (misses_packets(context)[points] | (dropped_at_any(context)[points] > 0)).any()
    return misses


def are_of_one_capture_at_any(context: Context, link: int) -> bool:
    """Are both ends of a link in one capture at `any`, and its drops not counted?"""
    links, flows = flow_links(context), context.flows
    ends = {int(flows[rows[link], schema.FLOW_POINT]) for rows in (links.source, links.target)}
    is_counted = any(context.points[point].dropped is not None for point in ends)
    return not is_counted and any(ends <= set(points) for points in captures_at_any(context))


def missing_before_silences(context: Context, link: int) -> int:
    """How many packets that a link misses are followed by a silence of all interfaces of their capture at `any`?

    The host was busy, and nothing at all was recorded for far longer than frames took before: it was not that packet
    alone that was not recorded.
    """
    links, flows = flow_links(context), context.flows
    if context.sample_share < 1.0 or not are_of_one_capture_at_any(context, link):
        return 0
    times = _frame_times(context, int(flows[links.source[link], schema.FLOW_POINT]))
    sent, seen = (observations_by_flow(context).of(rows[[link]]) for rows in (links.source, links.target))
    missing = sent[~is_among(sent[:, schema.OBS_DIGEST], seen[:, schema.OBS_DIGEST]), schema.OBS_TIME]
    last = np.searchsorted(times, missing, side="right") - 1
    earlier, last = last - PACE_FRAMES, last[last >= PACE_FRAMES]
    earlier = earlier[earlier >= 0]
    pace_ns = (times[last] - times[earlier]) // PACE_FRAMES
    is_end = last == len(times) - 1
    silence_ns = times[np.minimum(last + 1, len(times) - 1)] - times[last]
    return int((~is_end & (silence_ns > MIN_SILENCE * pace_ns)).sum())


@derived
def _frame_times(context: Context, point: int) -> Values:
    """When the capture at `any` that a point is of recorded packets, in order."""
    points = next(points for points in captures_at_any(context) if point in points)
    observed = context.observations
    is_there = is_one_of(context.flows[observed[:, schema.OBS_FLOW], schema.FLOW_POINT], points)
    return np.sort(observed[is_there, schema.OBS_TIME])


@derived
def captures_at_any(context: Context) -> list[list[int]]:
    """The points of each capture at `any`: one for each interface, or one that shows a packet at each of them."""
    captures: dict[tuple[str, int], list[int]] = {}
    for number, point in enumerate(context.points):
        if point.ifindex is not None or (point.linktype == "LINUX_SLL" and point.packets):
            captures.setdefault((point.file, point.interface), []).append(number)
    return list(captures.values())


def _came_by_none(context: Context, points: list[int]) -> Values:
    """Per point: packets that only the next hop of their flow shows."""
    links, flows, observed = flow_links(context), context.flows, context.observations
    counts = np.zeros(max(len(context.points), 1), dtype=np.int64)
    within = is_one_of(flows[links.source, schema.FLOW_POINT], points)
    within &= is_one_of(flows[links.target, schema.FLOW_POINT], points) & _are_whole(context, links.source)
    within &= _are_whole(context, links.target) & (links.before[links.target] == np.arange(len(links)))
    if not within.any():
        return counts
    observed = observed[is_one_of(flows[observed[:, schema.OBS_FLOW], schema.FLOW_POINT], points)]
    if not len(observed):
        return counts
    rows, is_tcp = observed[:, schema.OBS_FLOW], flows[observed[:, schema.OBS_FLOW], schema.FLOW_PROTO] == TCP
    is_lone = is_among(rows, links.target[within]) & ~are_repeated(observed[:, schema.OBS_DIGEST])
    is_lone &= (observed[:, schema.OBS_DIGEST] >> 8) & (round(1 / context.sample_share) - 1) == 0
    is_lone &= ~is_tcp | ((observed[:, schema.OBS_CONTROL] >> 48) & TCP_RST == 0)
    is_lone &= observed[:, schema.OBS_TIME] > observed[:, schema.OBS_TIME].min() + START_NS
    if context.sample_share < 1.0:
        is_lone &= ~is_tcp | (observed[:, schema.OBS_BYTES] == 0)
    lone, by_flow = observed[is_lone], observations_by_flow(context)
    for row in distinct(lone[:, schema.OBS_FLOW])[:MAX_FLOWS].tolist():
        link = links.before[row]
        segments, packets = by_flow.of(links.source[[link]]), lone[lone[:, schema.OBS_FLOW] == row]
        number = int((~begin_in_segments(packets, segments)).sum())
        if number < links.matched[link]:  # else most packets of the flow come another way
            counts[flows[links.source[link], schema.FLOW_POINT]] += number
    return counts


def _are_whole(context: Context, rows: Values) -> Mask:
    """Per flow row: datagrams, segments or echoes, none of which was cut into fragments?"""
    flows = context.flows[rows]
    is_error = is_one_of(flows[:, schema.FLOW_PROTO], ICMP_PROTOCOLS) & ~is_one_of(flows[:, schema.FLOW_KIND], _ECHOES)
    whole: Mask = ~is_error & (flows[:, schema.FLOW_FRAGMENTS] == 0)
    return whole


def _acknowledged_unseen(context: Context, points: list[int]) -> Values:
    """Per point: stretches of octets that no interface of the capture shows, and that the receiver acknowledges."""
    flows, counts = context.flows, np.zeros(max(len(context.points), 1), dtype=np.int64)
    is_there = is_one_of(flows[:, schema.FLOW_POINT], points) & (flows[:, schema.FLOW_PROTO] == TCP)
    is_asked = is_there & (replies(context) >= 0) & (flows[:, schema.FLOW_TCP_FLAGS] & schema.USED_AGAIN == 0)
    reached, segments = _reached(context, is_asked), context.observations
    segments = segments[is_there[segments[:, schema.OBS_FLOW]] & (segments[:, schema.OBS_BYTES] > 0)]
    stretches = [
        (of.flow, gap.seq, gap.octets)
        for of in sequence_gaps(context, is_asked)
        for gap in of.missing
        if sequence_distance(gap.seq, reached[of.flow]) >= gap.octets
    ]
    next_seq = flows[:, schema.FLOW_NEXT_SEQ]
    is_ahead = is_asked & (reached >= 0) & ~is_among(reached, next_seq[is_there])
    ahead = np.where(is_ahead, sequence_distance(next_seq, reached), 0)
    rows = np.flatnonzero((ahead > 0) & (ahead <= MAX_IN_FLIGHT))[:MAX_FLOWS]
    stretches += zip(rows.tolist(), next_seq[rows].tolist(), ahead[rows].tolist(), strict=True)
    for row, begin, octets in stretches:
        starts = sequence_distance(begin, segments[:, schema.OBS_FROM])
        if not ((starts < octets) & (starts + segments[:, schema.OBS_BYTES] > 0)).any():
            counts[flows[row, schema.FLOW_POINT]] += 1
    return counts


def _reached(context: Context, is_asked: FlowMask) -> PerFlow:
    """Per TCP flow: up to which number its receiver acknowledges its octets; -1 if none that it was seen to send."""
    flows, observed = context.flows, context.observations
    flow_of_reply = np.full(len(flows), -1, dtype=np.int64)
    flow_of_reply[replies(context)[is_asked]] = np.flatnonzero(is_asked)
    control = observed[:, schema.OBS_CONTROL]
    is_ack = (control >= 0) & ((control >> 48) & (TCP_ACK | TCP_RST) == TCP_ACK)
    is_ack &= flow_of_reply[observed[:, schema.OBS_FLOW]] >= 0
    rows, acks = flow_of_reply[observed[is_ack, schema.OBS_FLOW]], control[is_ack] & 0xFFFFFFFF
    ahead = sequence_distance(flows[rows, schema.FLOW_NEXT_SEQ], acks)
    furthest, nearest = (np.full(len(flows), -_HALF_CIRCLE), np.full(len(flows), _HALF_CIRCLE))
    np.maximum.at(furthest, rows, ahead)
    np.minimum.at(nearest, rows, ahead)
    is_of_flow = (furthest > -_HALF_CIRCLE) & (nearest <= 0) & (nearest > -MAX_IN_FLIGHT)
    return np.where(is_of_flow, (flows[:, schema.FLOW_NEXT_SEQ] + furthest) & 0xFFFFFFFF, -1)
