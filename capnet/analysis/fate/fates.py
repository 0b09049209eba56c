"""What became of each flow chain: delivered, stopped between two points, or not to be known.

Input: flow chains, next points, when points listened. Output: `Fates`, one entry per flow chain of one direction.
Method: a chain that gets no answer and ends before the point where it is due stops there, unless something refutes it
(`_is_refuted`). Limits: of the chains without an answer, the MAX_CHAINS with the most packets; the others are UNKNOWN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import FlowRows, Mask, Values
from capnet.analysis.correlate.clocks import flow_spans
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.listening import listening
from capnet.analysis.fate.next_points import TWIN, chain_of, is_answered, next_points
from capnet.wire.addresses import MAPPED

UNKNOWN, DELIVERED, STOPS = 0, 1, 2  # states
MAX_CHAINS = 10_000
MIN_PACKETS = 2  # of a flow that stops: one alone may be the last of the capture, unless its twin shows the next point


class Fates(NamedTuple):
    """One entry per flow chain."""

    last: FlowRows  # its last hop
    state: Values  # UNKNOWN, DELIVERED, STOPS
    due: Values  # point where its packets were due next, -1 if they do not stop
    rank: Values  # by which that point is known (`next_points`)
    siblings: Values  # flows that show it


@derived
def fates(context: Context) -> Fates:
    """What became of each flow chain, in order of the last hops."""
    last = np.flatnonzero(flow_links(context).after < 0)
    state = np.full(len(last), UNKNOWN)
    due, rank, siblings = (np.full(len(last), value) for value in (-1, 0, 0))
    is_home, is_replied = _is_at_home(context, last), is_answered(context)[last]
    state[is_home | is_replied] = DELIVERED
    if len(context.points) < 2:
        return Fates(last, state, due, rank, siblings)  # one point alone shows no stop
    chains = np.flatnonzero(~is_replied)
    if len(chains) > MAX_CHAINS:
        busiest = np.argsort(-context.flows[last[chains], schema.FLOW_PACKETS], kind="stable")[:MAX_CHAINS]
        chains = np.sort(chains[busiest])
    for ranked in next_points(context, last[chains]):
        # A host's own interface is also where packets for its containers arrive: a twin that went on counts more.
        is_due = (ranked.point >= 0) & (~is_home[chains] | (ranked.rank == TWIN)) & (state[chains] != STOPS)
        if not is_due.any():
            continue  # refuting goes through all flows
        is_due[is_due] = ~_is_refuted(context, last[chains[is_due]], ranked.point[is_due], ranked.rank[is_due])
        stops = chains[is_due]
        state[stops] = STOPS
        due[stops], rank[stops], siblings[stops] = (values[is_due] for values in ranked)
    return Fates(last, state, due, rank, siblings)


def _is_at_home(context: Context, rows: FlowRows) -> Mask:
    """Is the point of each row the own interface of the MAC that the row is sent to?"""
    homes = [(mac, point) for mac, points in interface_points(context).items() for point in points]
    if not homes:
        return np.zeros(len(rows), dtype=bool)
    ends = context.flows[rows[:, None], [schema.FLOW_DMAC, schema.FLOW_POINT]]
    return is_among(row_hash(ends), row_hash(np.array(homes, dtype=np.int64)))


_SENDER = [schema.FLOW_SRC_HI, schema.FLOW_SRC_LO, schema.FLOW_SPORT]
_RECEIVER = [schema.FLOW_DST_HI, schema.FLOW_DST_LO, schema.FLOW_DPORT]


def _is_refuted(context: Context, rows: FlowRows, due: Values, rank: Values) -> Mask:
    """For each row and the point where it is due: does anything speak against a loss in between?"""
    flows = context.flows[rows]
    refuted = _are_to_groups(context, rows)
    refuted |= (flows[:, schema.FLOW_PACKETS] < MIN_PACKETS) & (rank != TWIN)
    return refuted | _is_deaf(context, rows, due) | _was_seen(context, rows, due)


def _are_to_groups(context: Context, rows: FlowRows) -> Mask:
    """Were the packets of each row sent to a group: by the destination MAC, or by a multicast or broadcast address?"""
    mac, high, low = (context.flows[rows, column] for column in (schema.FLOW_DMAC, *_RECEIVER[:2]))
    v4, address = (high == 0) & (low >> 32 == MAPPED >> 32), low & 0xFFFFFFFF
    is_group = (mac > 0) & (mac >> 40 & 1 == 1)
    is_group |= v4 & ((address >> 28 == 14) | (address == 0xFFFFFFFF))
    return is_group | (~v4 & (high >> 56 & 0xFF == 0xFF))


def _is_deaf(context: Context, rows: FlowRows, due: Values) -> Mask:
    """Could the due point have recorded the row's packets? Not where it dropped, filtered, or was not listening."""
    flows, points = context.flows[rows], listening(context)
    first, last = flow_spans(context)
    deaf = points.is_dropping[due] | ~points.hears[due, flows[:, schema.FLOW_PROTO] & 0xFF]
    deaf |= (last[rows] < points.since[due]) | (first[rows] > points.until[due])
    for filters, ends in (
        (points.filter_port, [schema.FLOW_SPORT, schema.FLOW_DPORT]),
        (points.filter_address, [schema.FLOW_SRC_LO, schema.FLOW_DST_LO]),
    ):
        shared = np.where(_is_translation(context, filters, ends), -1, filters)[due]
        deaf |= (shared >= 0) & (flows[:, ends] != shared[:, None]).all(axis=1)
    return deaf


def _is_translation(context: Context, shared: Values, ends: list[int]) -> Mask:
    """Per point, is what all of its packets share no capture filter, but what a translation gives them on their way?

    All that leaves a host by masquerade has the host's address; all that enters by a published port, the container's.
    """
    flows, links = context.flows, flow_links(context)
    value = shared[flows[links.target, schema.FLOW_POINT]]
    had, has = ((flows[rows[:, None], ends] == value[:, None]).any(axis=1) for rows in (links.source, links.target))
    translated = np.zeros(len(shared), dtype=bool)
    translated[flows[links.target[(value >= 0) & has & ~had], schema.FLOW_POINT]] = True
    return translated


def _was_seen(context: Context, rows: FlowRows, due: Values) -> Mask:
    """Did the due point record the row's chain, the same 5-tuple, or a flow of unknown origin that looks like it?"""
    flows = context.flows
    seen = is_among(row_hash(np.stack((due, chain_of(context)[rows]), axis=1)), _chains_at_points(context))
    seen |= is_among(row_hash(np.column_stack((due, flows[rows[:, None], _KEY]))), _keys_at_points(context))
    return seen | _shares_end(context, rows, due, _SENDER) | _shares_end(context, rows, due, _RECEIVER)


_KEY = [schema.FLOW_PROTO, *_SENDER, *_RECEIVER]


@derived
def _chains_at_points(context: Context) -> Values:
    """Hashes of point and flow chain, of each flow."""
    return row_hash(np.stack((context.flows[:, schema.FLOW_POINT], chain_of(context)), axis=1))


@derived
def _keys_at_points(context: Context) -> Values:
    """Hashes of point and 5-tuple, of each flow."""
    return row_hash(context.flows[:, [schema.FLOW_POINT, *_KEY]])


class _Ends(NamedTuple):
    """Flows without a hop before them, grouped by point, protocol and one end: sorted hashes, first and last time."""

    keys: Values
    since_ns: Values
    until_ns: Values


@derived
def _unlinked_ends(context: Context, *end: int) -> _Ends:
    flows = context.flows
    rows = np.flatnonzero(flow_links(context).before < 0)
    keys = row_hash(np.stack([flows[rows, column] for column in (schema.FLOW_POINT, schema.FLOW_PROTO, *end)], axis=1))
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
    if not len(starts):
        return _Ends(keys, rows, rows)
    first, last = flow_spans(context)
    return _Ends(keys[starts], np.minimum.reduceat(first[rows], starts), np.maximum.reduceat(last[rows], starts))


def _shares_end(context: Context, rows: FlowRows, due: Values, end: list[int]) -> Mask:
    """Is there a flow without a hop before it at the due point, with the row's protocol, this end, and at its time?"""
    flows, ends = context.flows, _unlinked_ends(context, *end)
    if not len(ends.keys):
        return np.zeros(len(rows), dtype=bool)
    first, last = flow_spans(context)
    wanted = row_hash(np.column_stack((due, flows[rows[:, None], [schema.FLOW_PROTO, *end]])))
    group = np.minimum(np.searchsorted(ends.keys, wanted), len(ends.keys) - 1)
    is_at_time = (ends.since_ns[group] <= last[rows]) & (ends.until_ns[group] >= first[rows])
    return (ends.keys[group] == wanted) & is_at_time


def unanswered_chains(context: Context) -> int:
    """Flow chains to one receiver of MIN_PACKETS packets or more that got no answer and were not seen to arrive."""
    outcome = fates(context)
    rows = outcome.last[outcome.state != DELIVERED]
    rows = rows[context.flows[rows, schema.FLOW_PACKETS] >= MIN_PACKETS]
    return int((~_are_to_groups(context, rows)).sum())
