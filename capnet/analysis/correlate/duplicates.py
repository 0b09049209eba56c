"""Packets that one point recorded twice though they were sent once.

Input: the observations. Output: the duplicates, and packet counts without them.
Method: equal digests in one flow within a millisecond; in a cooked capture at `any` without indexes of interfaces, with
equal TTLs within 20 ms, as a switch in user space takes: TCP's timestamps, too, tell what is sent again. A host that
sends again does so with a new IP identification, or after a timeout far above that. Only a closed socket answers each
segment with a RST of its own, all of them equal (Linux sends them with the identification 0): they count where the
point recorded other packets twice. A capture at `any` shows a packet at every interface of its host. Listening makes a
bridge promiscuous, and its host may route a second copy of what it only bridges.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import ByDigest, are_repeated, hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import sends_to_itself
from capnet.analysis.core.schema import FlowRows, Mask, Observations, PerFlow, PerObservation, Values
from capnet.analysis.correlate.order.bridge_order import is_at_bridge
from capnet.analysis.correlate.order.role_order import IN, flow_order
from capnet.quick_dataclass import frozen
from capnet.wire.numbers import TCP, TCP_ACK, TCP_RST, TCP_SYN

MAX_DUPLICATE_DELAY_NS = 1_000_000  # no host sends again so soon: TCP waits 200 ms at least, resolvers seconds
MAX_ANY_DELAY_NS = 20_000_000  # from interface to interface of one host; still far below these timeouts
MAX_PAIRS = 1 << 20  # of observations that are compared at once

_SYN_ACK = TCP_SYN | TCP_ACK

_ENDS = [schema.FLOW_PROTO, *schema.FLOW_ENDS]


@frozen
class Duplicates:
    """Packets that one point recorded twice in one flow, one entry for each flow row that has any."""

    flow_rows: FlowRows
    counts: Values
    packets: Values  # that were recorded again, each once however often
    times: Values  # that one of them was recorded, at most
    segments: Values  # of the counts, those that have sequence numbers of TCP
    frames: Values  # (n, 2) frame numbers: the first such packet and its duplicate
    ttl_deltas: Values  # of that pair


@derived
def duplicates(context: Context) -> Duplicates:
    """The duplicates of each flow that has any."""
    observations = repeated_in_flow(context, context.observations)
    is_copy = is_duplicate(context, observations)
    nth = np.arange(len(observations))  # which copy of its packet each one is
    nth -= np.maximum.accumulate(np.where(is_copy, 0, nth))
    later = np.flatnonzero(is_copy)
    later = later[np.lexsort((observations[later, schema.OBS_TIME], observations[later, schema.OBS_FLOW]))]
    rows, copies, is_ack = observations[later, schema.OBS_FLOW], nth[later], ~_takes_numbers(observations[later])
    is_ack &= context.flows[rows, schema.FLOW_PROTO] == TCP
    flow_rows, first, counts = np.unique(rows, return_index=True, return_counts=True)
    later = later[first]
    packets = np.bincount(rows[copies == 1], minlength=len(context.flows))[flow_rows]
    times = np.maximum.reduceat(np.where(is_ack, 1, copies), first) + 1 if len(first) else first
    segments = np.bincount(rows[~is_ack], minlength=len(context.flows))
    frames = np.stack([observations[later - 1, schema.OBS_FRAME], observations[later, schema.OBS_FRAME]], axis=1)
    ttl_deltas = observations[later, schema.OBS_TTL] - observations[later - 1, schema.OBS_TTL]
    return Duplicates(flow_rows, counts, packets, times, segments[flow_rows], frames, ttl_deltas)


@derived
def duplicate_delays_ns(context: Context) -> Values:
    """Per point: how long after a packet the same one, with the same TTL, is a duplicate [ns]."""
    is_cooked = [point.linktype == "LINUX_SLL" for point in context.points] or [False]
    return np.where(is_cooked, MAX_ANY_DELAY_NS, MAX_DUPLICATE_DELAY_NS)


@derived
def observations_by_digest(context: Context) -> ByDigest:
    """The order of a context's observations by digest."""
    return ByDigest.of(context.observations[:, schema.OBS_DIGEST])


@derived
def packets_without_duplicates(context: Context) -> PerFlow:
    """Packets of each flow row, duplicates left out. In a sample, the duplicates are estimated from their share."""
    packets = context.flows[:, schema.FLOW_PACKETS].copy()
    recorded_again = duplicates(context)
    rows = recorded_again.flow_rows
    if len(rows):
        observed = np.bincount(context.observations[:, schema.OBS_FLOW], minlength=len(packets))[rows]
        packets[rows] -= np.rint(packets[rows] * recorded_again.counts / observed).astype(np.int64)
    return packets


@derived
def syns_without_duplicates(context: Context) -> PerFlow:
    """SYNs without ACK of each flow row, duplicates left out; of a sample, at least one where there are any."""
    syns = context.flows[:, schema.FLOW_SYNS].copy()
    if not len(duplicates(context).flow_rows):
        return syns
    observations = repeated_in_flow(context, context.observations)
    flags = observations[:, schema.OBS_CONTROL] >> 48
    is_syn = (
        is_duplicate(context, observations) & (observations[:, schema.OBS_CONTROL] >= 0) & (flags & _SYN_ACK == TCP_SYN)
    )
    repeated = np.bincount(observations[is_syn, schema.OBS_FLOW], minlength=len(syns))
    return np.where(syns > 0, np.maximum(syns - repeated, 1), syns)


def repeated_in_flow(context: Context, observations: Observations) -> Observations:
    """Those observations whose digest their flow shows more than once, by digest, flow and time.

    `observations`: all of the context, their times may be other ones.
    """
    observations = observations[_repeated_in_flow(context)]
    return observations[
        np.lexsort(
            (
                observations[:, schema.OBS_SEQ],
                -observations[:, schema.OBS_TTL],
                observations[:, schema.OBS_TIME],
                observations[:, schema.OBS_FLOW],
                observations[:, schema.OBS_DIGEST],
            )
        )
    ]


@derived
def _repeated_in_flow(context: Context) -> Values:
    """Indexes of the observations whose digest their flow shows more than once."""
    by_digest = observations_by_digest(context)
    shared = by_digest.order[by_digest.repeated]
    return shared[are_repeated(hash_of(context.observations, [schema.OBS_DIGEST, schema.OBS_FLOW], shared))]


def is_duplicate(context: Context, observations: Observations) -> PerObservation:
    """For each observation, sorted by digest, flow and time: is it a duplicate of the one before? (bool)"""
    digest, flow, time = (observations[:, column] for column in (schema.OBS_DIGEST, schema.OBS_FLOW, schema.OBS_TIME))
    result = np.zeros(len(observations), dtype=bool)
    is_same_packet = (digest[1:] == digest[:-1]) & (flow[1:] == flow[:-1])
    delays_ns = np.full(len(observations), MAX_DUPLICATE_DELAY_NS)
    control = observations[:, schema.OBS_CONTROL]
    sends_reset = (control >= 0) & (control >> 48 & TCP_RST != 0)
    longest_ns = duplicate_delays_ns(context)
    if (longest_ns > MAX_DUPLICATE_DELAY_NS).any():
        is_tcp = context.flows[flow, schema.FLOW_PROTO] == TCP
        is_slow = (~is_tcp | _takes_numbers(observations))[1:] & ~sends_reset[1:]
        is_slow &= observations[1:, schema.OBS_TTL] == observations[:-1, schema.OBS_TTL]
        delays_ns[1:][is_slow] = longest_ns[context.flows[flow[1:][is_slow], schema.FLOW_POINT]]
    result[1:] = is_same_packet & (time[1:] - time[:-1] <= delays_ns[1:])
    is_reset = result & sends_reset
    if is_reset.any():
        points = context.flows[flow, schema.FLOW_POINT]
        result[is_reset] = is_among(points[is_reset], points[result & ~is_reset])
    return result


def _takes_numbers(observations: Observations) -> PerObservation:
    """For each observation of TCP: has it sequence numbers of its own? Equal ACKs may be sent one after another."""
    takes: PerObservation = observations[:, schema.OBS_BYTES] > 0
    return takes


def is_routed_duplicate(context: Context, observations: Observations, is_copy: Mask) -> PerObservation:
    """For each observation, sorted by digest, flow and time: is it a duplicate that a bridge's host routed? (bool)

    A promiscuous bridge's host may route a second copy of what it only bridges. It has one TTL less and goes where the
    packet itself goes anyway. `is_copy`: see `is_duplicate`. Only a bridge shows what an address sends to itself.
    """
    flows = context.flows
    flow, time, ttl = (observations[:, column] for column in (schema.OBS_FLOW, schema.OBS_TIME, schema.OBS_TTL))
    digest = observations[:, schema.OBS_DIGEST]
    result = np.zeros(len(observations), dtype=bool)
    was_routed = is_copy & (is_at_bridge(context) | sends_to_itself(flows))[flow]
    was_routed[1:] &= ttl[1:] < ttl[:-1]
    routed = np.flatnonzero(was_routed)
    if not len(routed):
        return result
    leg = flow_order(context).leg
    digest = np.ascontiguousarray(digest)
    starts, ends = (np.searchsorted(digest, digest[routed], side) for side in ("left", "right"))
    for chosen in _parts(ends - starts, MAX_PAIRS):
        sizes = (ends - starts)[chosen]
        number = np.repeat(np.arange(len(sizes)), sizes)
        copy = routed[chosen][number]
        later = np.arange(len(number)) + np.repeat(starts[chosen] - np.cumsum(sizes) + sizes, sizes)
        is_later = (time[later] > time[copy]) | ((time[later] == time[copy]) & (leg[flow[later]] == IN))
        is_later &= flow[later] != flow[copy]
        is_packet = is_later & (ttl[later] > ttl[copy])  # the packet itself, which went on
        goes_on = np.bincount(number[is_packet], minlength=len(sizes)) > 0
        pairs = np.flatnonzero(is_later & goes_on[number] & (ttl[later] == ttl[copy]))
        has_same_ends = np.ones(len(pairs), dtype=bool)
        for column in _ENDS:
            has_same_ends &= flows[flow[later[pairs]], column] == flows[flow[copy[pairs]], column]
        result[later[pairs[has_same_ends]]] = True
    return result


def _parts(sizes: Values, most: int) -> Iterator[slice]:
    """Slices of entries that are of `most` in all, or of one entry that is larger."""
    start, ends = 0, np.cumsum(sizes)
    while start < len(sizes):
        before = ends[start] - sizes[start]
        stop = max(int(np.searchsorted(ends, before + most, "right")), start + 1)
        yield slice(start, stop)
        start = stop
