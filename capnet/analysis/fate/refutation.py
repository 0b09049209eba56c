"""Why a flow that ends before the point where it is due may still have passed there, or need not have.

Input: flow rows, the points where they are due. Output: a reason for each, NOTHING if nothing speaks against a loss
between the two points. Method: absence proves a loss only where the due point listened at that time, for this kind of
packet, dropped none, and showed neither this flow chain nor one of unknown origin that looks like it.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import first_equal, hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_to_groups
from capnet.analysis.core.schema import FlowRows, Mask, Values
from capnet.analysis.correlate.clocks import flow_spans
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.correlate.recording_pauses import are_in_pauses
from capnet.analysis.fate.answers import quoting_errors
from capnet.analysis.fate.listening import is_assumed, listening
from capnet.analysis.fate.next_points import chain_of, is_answered
from capnet.analysis.fate.unrecorded.any_drops import misses_packets_at_any
from capnet.analysis.fate.unrecorded.unrecorded_packets import misses_packets
from capnet.analysis.fate.verdict.given_up import are_given_up
from capnet.analysis.fate.verdict.moved_stations import have_left
from capnet.analysis.fate.verdict.relayed_datagrams import is_relayed
from capnet.quick_tuple import NamedTuple

NOTHING, GROUP, ONE_PACKET, NOT_LISTENING, SEEN_THERE, ICMP_ERROR = range(6)  # reasons
MAX_ON_THE_WAY_NS = 500_000_000  # one packet may wait for seconds, as for a resolved address: that is no usual way
_LONGEST = 3  # column of `Links.delays_ns`
MIN_PACKETS = 2  # of a flow that stops: one alone may be the last of the capture, unless its twin shows the next point


def refutations(
    context: Context, rows: FlowRows, due: Values, is_shown_by_twin: Mask, own_address: Values | None = None
) -> Values:
    """For each row and the point where it is due: what speaks against a loss in between, NOTHING if nothing does.

    `is_shown_by_twin`: another client's packets to the same service went there; then one packet is enough.
    `own_address`: low half of the address of the due interface, which all of its packets share without any filter.
    """
    reasons = np.full(len(rows), NOTHING)
    reasons[_was_seen(context, rows, due) | _carries_answered_flows(context, rows)] = SEEN_THERE
    reasons[is_relayed(context, rows, due)] = SEEN_THERE
    reasons[have_left(context, context.flows[rows, schema.FLOW_DMAC], due)] = SEEN_THERE
    reasons[_is_deaf(context, rows, due, own_address)] = NOT_LISTENING
    is_alone = packets_without_duplicates(context)[rows] < MIN_PACKETS
    reasons[is_alone & ~are_given_up(context)[rows] & ~is_shown_by_twin] = ONE_PACKET
    # Programs do not begin at one moment: one packet before the first of the due point may be before its capture.
    reasons[is_alone & is_assumed(context, rows, due)] = NOT_LISTENING
    reasons[is_among(chain_of(context)[rows], _quoted_chains(context))] = ICMP_ERROR
    reasons[are_to_groups(context, rows)] = GROUP
    return reasons


def _quoted_chains(context: Context) -> Values:
    """Flow chains of which an ICMP error says what became of them."""
    return chain_of(context)[quoting_errors(context) >= 0]


def _carries_answered_flows(context: Context, rows: FlowRows) -> Mask:
    """Does each row carry a tunnel in which every flow at its point is answered? Then the tunnel's packets arrived."""
    flows = context.flows
    inner = np.flatnonzero(flows[:, schema.FLOW_VIA] > 0)
    carriers = flows[rows, schema.FLOW_CARRIES] > 0
    if not len(inner) or not carriers.any():
        return np.zeros(len(rows), dtype=bool)
    tunnels = hash_of(flows, schema.FLOW_PLACE, inner)
    carried = hash_of(flows, [schema.FLOW_POINT, schema.FLOW_CARRIES, schema.FLOW_CARRIES_VNI], rows)
    is_in_vain = ~is_answered(context)[inner] & ~are_to_groups(context, inner)
    return carriers & is_among(carried, tunnels) & ~is_among(carried, tunnels[is_in_vain])


def _is_deaf(context: Context, rows: FlowRows, due: Values, own_address: Values | None) -> Mask:
    """Could the due point have recorded the row's packets? Not where it dropped, filtered, or was not listening."""
    flows, points = context.flows[rows], listening(context)
    first, last = flow_spans(context)
    deaf = points.is_dropping[due] | ~points.hears[due, flows[:, schema.FLOW_PROTO] & 0xFF]
    deaf |= (misses_packets(context) | misses_packets_at_any(context))[due]
    deaf |= (last[rows] < points.since[due]) | (first[rows] + _longest_delays(context, rows, due) > points.until[due])
    deaf |= are_in_pauses(context, due, first[rows], last[rows])
    for filters, ends in (
        (points.filter_port, [schema.FLOW_SPORT, schema.FLOW_DPORT]),
        (points.filter_address, [schema.FLOW_SRC_LO, schema.FLOW_DST_LO]),
    ):
        shared = np.where(_is_translation(context, filters, ends), -1, filters)[due]
        if own_address is not None:
            shared = np.where(shared == own_address, -1, shared)
        deaf |= (shared >= 0) & (flows[:, ends] != shared[:, None]).all(axis=1)
    return deaf


def _longest_delays(context: Context, rows: FlowRows, due: Values) -> Values:
    """How long packets took at most from each row's point to where it is due [ns], 0 where none was seen at both.

    A packet that a capture shows in its last moments is still on its way.
    """
    links, points, count = flow_links(context), context.flows[:, schema.FLOW_POINT], len(context.points)
    ways = points[links.source] * count + points[links.target]
    order = np.lexsort((-links.delays_ns[:, _LONGEST], ways))
    link = first_equal(ways[order], points[rows] * count + due)
    longest_ns = np.zeros(len(rows), dtype=np.int64)
    longest_ns[link >= 0] = links.delays_ns[order[link[link >= 0]], _LONGEST]
    return np.clip(longest_ns, 0, MAX_ON_THE_WAY_NS)


def _is_translation(context: Context, shared: Values, ends: list[int]) -> Mask:
    """Per point, is what all of its packets share no capture filter, but what a translation gives them on their way?

    All that leaves a host by masquerade has the host's address; all that enters by a published port, the container's.
    """
    translated = np.zeros(len(shared), dtype=bool)
    if not (shared >= 0).any():
        return translated
    flows, links = context.flows, flow_links(context)
    value = shared[flows[links.target, schema.FLOW_POINT]]
    had, has = ((flows[rows[:, None], ends] == value[:, None]).any(axis=1) for rows in (links.source, links.target))
    translated[flows[links.target[(value >= 0) & has & ~had], schema.FLOW_POINT]] = True
    return translated


def _was_seen(context: Context, rows: FlowRows, due: Values) -> Mask:
    """Did the due point record the row's chain, the same 5-tuple, or a flow of unknown origin that looks like it?"""
    flows = context.flows
    seen = is_among(row_hash(np.stack((due, chain_of(context)[rows]), axis=1)), _chains_at_points(context))
    seen |= is_among(row_hash(np.column_stack((due, flows[rows[:, None], _KEY]))), _keys_at_points(context))
    seen |= _shares_end(context, rows, due, schema.FLOW_SRC_END)
    return seen | _shares_end(context, rows, due, schema.FLOW_DST_END)


_KEY = [schema.FLOW_PROTO, *schema.FLOW_SRC_END, *schema.FLOW_DST_END]


@derived
def _chains_at_points(context: Context) -> Values:
    """Hashes of point and flow chain, of each flow."""
    return row_hash(np.stack((context.flows[:, schema.FLOW_POINT], chain_of(context)), axis=1))


@derived
def _keys_at_points(context: Context) -> Values:
    """Hashes of point and 5-tuple, of each flow."""
    return hash_of(context.flows, [schema.FLOW_POINT, *_KEY])


class _Ends(NamedTuple):
    """Flows without a hop before them, grouped by point, protocol and one end: sorted hashes, first and last time."""

    keys: Values
    since_ns: Values
    until_ns: Values


@derived
def _unlinked_ends(context: Context, with_syns: bool, *end: int) -> _Ends:
    flows = context.flows
    rows = np.flatnonzero((flow_links(context).before < 0) & (with_syns | (flows[:, schema.FLOW_SYNS] == 0)))
    keys = row_hash(np.stack([flows[rows, column] for column in (schema.FLOW_POINT, schema.FLOW_PROTO, *end)], axis=1))
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
    if not len(starts):
        return _Ends(keys, rows, rows)
    first, last = flow_spans(context)
    return _Ends(keys[starts], np.minimum.reduceat(first[rows], starts), np.maximum.reduceat(last[rows], starts))


def _shares_end(context: Context, rows: FlowRows, due: Values, end: list[int]) -> Mask:
    """Is there a flow without a hop before it at the due point, with the row's protocol, this end, and at its time?

    Not another client's SYN: the row's own, translated, would have its sequence number, and a hop before it.
    """
    has_syn = (context.flows[rows, schema.FLOW_SYNS] > 0) & (end == schema.FLOW_DST_END)
    result = np.zeros(len(rows), dtype=bool)
    for with_syns in (False, True):
        chosen = np.flatnonzero(has_syn != with_syns)
        result[chosen] = _are_alike(context, rows[chosen], due[chosen], end, _unlinked_ends(context, with_syns, *end))
    return result


def _are_alike(context: Context, rows: FlowRows, due: Values, end: list[int], ends: _Ends) -> Mask:
    flows = context.flows
    if not len(ends.keys):
        return np.zeros(len(rows), dtype=bool)
    first, last = flow_spans(context)
    wanted = row_hash(np.column_stack((due, flows[rows[:, None], [schema.FLOW_PROTO, *end]])))
    group = np.minimum(np.searchsorted(ends.keys, wanted), len(ends.keys) - 1)
    is_at_time = (ends.since_ns[group] <= last[rows]) & (ends.until_ns[group] >= first[rows])
    return (ends.keys[group] == wanted) & is_at_time
