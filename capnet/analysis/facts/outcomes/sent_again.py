"""TCP segments that were sent again because one before them was lost or late behind the point.

Input: flows, observations, gaps. Output: a number per flow row. Method: from the segments that end at or below what
was sent before (`correlate.tcp_gaps`), those are left out that say nothing of what lies behind the point: SYNs that a
host repeats after a refusal (Windows), SYNs of scans, SYN-ACKs to a client that neither acknowledges nor asks again,
probes that repeat one segment more often than any stack does, packets that pass the point a second time from another
MAC (routed, or by a man in the middle), and segments that the point shows for the first time: these were lost before
it.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import replies, reply_values, sequence_span
from capnet.analysis.core.schema import FlowMask, FlowRows, PerFlow, Values
from capnet.analysis.correlate.duplicates import MAX_DUPLICATE_DELAY_NS, repeated_in_flow
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.correlate.tcp_gaps import MAX_REORDERING_NS, retransmitted_segments
from capnet.analysis.facts.losses.scanning_clients import is_of_syn_scan
from capnet.wire.numbers import TCP_ACK, TCP_CWR, TCP_ECE, TCP_RST, TCP_SYN

MAX_REPEATS = 16  # of one segment: Linux gives up after 15 (tcp_retries2), after 6 SYNs
MAX_PASSING_NS = 190_000_000  # from one passing of a packet to the next; no stack sends again before 200 ms
MAX_FALLS = 2  # of the TTL, by the routers that pass a packet on: more are a loop (`routing-loop`)
MAX_FLOWS = 500  # whose segments are looked at one by one
MAX_GAPS = 500  # of a flow that are open at a time


def sent_again(context: Context) -> PerFlow:
    """The segments of each flow row that were sent again for what lies behind its point."""
    segments = retransmitted_segments(context).copy()
    if not segments.any():
        return segments
    segments[_is_no_loss(context)] = 0
    if context.sample_share == 1.0:
        rows = np.flatnonzero(segments)
        segments[rows] -= _second_passings(context, rows)
        rows = rows[(segments[rows] > 0) & (flow_links(context).before[rows] < 0)]
        segments[rows] -= _gap_fillers(context, rows)
    return np.maximum(segments, 0)


def _is_no_loss(context: Context) -> FlowMask:
    """Per flow: did its host send again without a loss?"""
    flows = context.flows
    flags, has_reply = flows[:, schema.FLOW_TCP_FLAGS], replies(context) >= 0
    answer_flags = np.where(has_reply, reply_values(context, schema.FLOW_TCP_FLAGS), 0)
    is_syn = flags & ~(TCP_SYN | TCP_ECE | TCP_CWR) == 0
    is_refused = is_syn & (answer_flags & TCP_RST != 0) & (answer_flags & TCP_SYN == 0)
    is_syn_ack = flags & ~(TCP_ECE | TCP_CWR) == TCP_SYN | TCP_ACK
    is_half_open = is_syn_ack & has_reply & (answer_flags & ~(TCP_ECE | TCP_CWR) == TCP_SYN)
    is_half_open &= reply_values(context, schema.FLOW_SYNS) == 1
    octets = sequence_span(flows[:, schema.FLOW_FIRST_SEQ], flows[:, schema.FLOW_NEXT_SEQ])
    is_one_segment = (flows[:, schema.FLOW_PAYLOAD] == octets * flows[:, schema.FLOW_PACKETS]) & (octets > 0)
    is_one_segment |= is_syn & (flows[:, schema.FLOW_SYNS] == flows[:, schema.FLOW_PACKETS])
    is_one_segment &= flows[:, schema.FLOW_TTL_MAX] - flows[:, schema.FLOW_TTL_MIN] <= MAX_FALLS
    is_silent = is_syn & ~has_reply & (flows[:, schema.FLOW_SYNS] > 1)
    if is_silent.any():
        is_refused |= is_silent & is_of_syn_scan(context)
    mask: FlowMask = is_refused | is_half_open | (is_one_segment & (flows[:, schema.FLOW_PACKETS] > MAX_REPEATS))
    return mask


def _second_passings(context: Context, rows: FlowRows) -> Values:
    """Per flow of `rows`: packets with data that passed its point again, from another MAC or with a smaller TTL."""
    flows, counts = context.flows, np.zeros(len(context.flows), dtype=np.int64)
    falls = flows[rows, schema.FLOW_TTL_MAX] - flows[rows, schema.FLOW_TTL_MIN]
    has_other_form = ((flows[rows, schema.FLOW_STRAYS] > 0) | (falls > 0)) & (falls <= MAX_FALLS)
    if not has_other_form.any():
        return counts[rows]
    observed = repeated_in_flow(context, context.observations)
    observed = observed[is_among(observed[:, schema.OBS_FLOW], rows[has_other_form])]
    observed = observed[observed[:, schema.OBS_BYTES] > 0]
    packets = observed[:, [schema.OBS_DIGEST, schema.OBS_FLOW]]
    is_same = packets[1:] == packets[:-1]
    since = observed[1:, schema.OBS_TIME] - observed[:-1, schema.OBS_TIME]
    passes = is_same.all(axis=1) & (since > MAX_DUPLICATE_DELAY_NS) & (since <= MAX_PASSING_NS)
    routed = observed[1:, schema.OBS_TTL] < observed[:-1, schema.OBS_TTL]
    of_flow, is_routed = observed[1:, schema.OBS_FLOW][passes], routed[passes]
    strays = flows[of_flow, schema.FLOW_STRAYS] > 0
    np.add.at(counts, of_flow[is_routed | strays], 1)
    return counts[rows]


def _gap_fillers(context: Context, rows: FlowRows) -> Values:
    """Per flow of `rows`: segments with octets that came after later ones, and that the point never showed before."""
    observed = context.observations
    observed = observed[is_among(observed[:, schema.OBS_FLOW], rows) & (observed[:, schema.OBS_BYTES] > 0)]
    observed = observed[np.lexsort((observed[:, schema.OBS_SEQ], observed[:, schema.OBS_FLOW]))]
    flow = observed[:, schema.OBS_FLOW]
    counts = np.zeros(len(rows), dtype=np.int64)
    for row in distinct(flow)[:MAX_FLOWS].tolist():
        first, stop = np.searchsorted(flow, [row, row + 1])
        counts[rows == row] = _fillers(observed[first:stop])
    return counts


def _fillers(segments: Values) -> int:
    """Segments of one flow, in order of arrival, that fill a gap too late to have been overtaken only."""
    begin = int(segments[0, schema.OBS_FROM])
    starts = (segments[:, schema.OBS_FROM] - begin + (1 << 31)) % (1 << 32)
    stops, times = starts + segments[:, schema.OBS_BYTES], segments[:, schema.OBS_TIME]
    highest = np.maximum.accumulate(stops)
    # Most segments neither leave a gap nor come late.
    chosen = np.flatnonzero((starts[1:] > highest[:-1]) | (stops[1:] <= highest[:-1])) + 1
    gaps: list[tuple[int, int, int]] = []  # low, high, when it was left open
    count = 0
    before = highest[chosen - 1].tolist()
    for start, stop, time, top in zip(
        starts[chosen].tolist(), stops[chosen].tolist(), times[chosen].tolist(), before, strict=True
    ):
        if start > top:
            gaps = [*gaps[-MAX_GAPS:], (top, start, time)]
            continue
        filled = next((gap for gap in gaps if gap[0] <= start and stop <= gap[1]), None)
        if filled is not None:
            low, high, since = filled
            count += time - since > MAX_REORDERING_NS
            gaps.remove(filled)
            gaps += [part for part in ((low, start, since), (stop, high, since)) if part[0] < part[1]]
    return count
