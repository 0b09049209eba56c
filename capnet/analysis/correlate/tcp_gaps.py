"""Gaps in the sequence numbers of TCP flows: octets that came after later ones, and octets that never came.

Input: observations of flows whose packets were all compared.
Output: for each flow with gaps the octets late and never seen, and segments that were only reordered.
Method: octets that come after later ones have left a gap for a while. Within 3 ms they are taken for reordered, as
Wireshark does, else for sent again.
Limits: nothing is said of a sample, nor of ports that were used again: another connection has other numbers.
"""

from __future__ import annotations

from dataclasses import field

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, distinct_rows, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import first_sequence_number
from capnet.analysis.core.schema import FlowMask, Observations, PerFlow
from capnet.analysis.correlate.duplicates import duplicates
from capnet.quick_dataclass import state
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, TCP_ACK, TCP_RST

MAX_REORDERING_NS = 3_000_000  # as Wireshark: what comes later was sent again
MAX_IN_FLIGHT = 1 << 24  # octets; a wider gap is another connection with the same ports
MAX_FLOW_OCTETS = 1 << 31  # beyond, the sequence numbers of a flow wrap around
MAX_FLOWS = 500  # examined one by one
MAX_MISSING = 100  # stretches that are named


class MissingOctets(NamedTuple):
    """A stretch of octets that did not come."""

    seq: int  # raw sequence number of the first one
    octets: int
    since: int  # ns when a later one came


@state
class SequenceGaps:
    """What a flow misses, in octets: `late` came after later ones, `never` did not come."""

    flow: int  # flow row
    late: int = 0
    never: int = 0
    overtaken: int = 0  # segments that came after later ones, too soon to have been sent again
    frame: int = 0  # frame number of the first segment behind a gap
    missing: list[MissingOctets] = field(default_factory=list)  # those that did not come, at most MAX_MISSING stretches


def sequence_gaps(context: Context, wanted: FlowMask, with_acks: bool = False) -> list[SequenceGaps]:
    """The gaps of the wanted flows, in order of their rows, of MAX_FLOWS flows at most; empty in a sample.

    `with_acks`: a pure ACK leaves a gap as well, if its number lies behind octets that did not come.
    """
    flows = context.flows
    if context.sample_share < 1.0 or not len(context.observations):
        return []
    is_examined = wanted & (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_PAYLOAD] < MAX_FLOW_OCTETS)
    is_examined &= flows[:, schema.FLOW_TCP_FLAGS] & schema.USED_AGAIN == 0
    segments = context.observations
    counts = segments[:, schema.OBS_BYTES] > 0
    if with_acks:
        counts |= segments[:, schema.OBS_CONTROL] >> 48 & (TCP_ACK | TCP_RST) == TCP_ACK
    counts &= segments[:, schema.OBS_FROM] >= 0
    segments = segments[is_examined[segments[:, schema.OBS_FLOW]] & counts]
    segments = segments[np.lexsort((segments[:, schema.OBS_SEQ], segments[:, schema.OBS_FLOW]))]
    flow = segments[:, schema.OBS_FLOW]
    # Sequence numbers are turned so that half of their circle lies on each side of where the flow began.
    begin = first_sequence_number(flows[flow, schema.FLOW_FIRST_SEQ])
    starts = (segments[:, schema.OBS_FROM] - begin + (1 << 31)) % (1 << 32)
    stops = starts + segments[:, schema.OBS_BYTES]
    is_first = np.ones(len(segments), dtype=bool)
    is_first[1:] = flow[1:] != flow[:-1]
    # Each flow has a stretch of numbers of its own, so that one running maximum serves all.
    offset = (np.cumsum(is_first) - 1) << 33
    highest = np.maximum.accumulate(stops + offset)
    gap_sizes = np.zeros(len(segments), dtype=np.int64)
    gap_sizes[1:] = (starts + offset)[1:] - highest[:-1]
    gap_sizes[is_first] = 0
    is_before_first = starts < starts[is_first][np.cumsum(is_first) - 1]
    flow_rows = distinct(flow[(gap_sizes > 0) | is_before_first])
    flow_rows = flow_rows[~is_among(flow_rows, flow[gap_sizes > MAX_IN_FLIGHT])]
    gaps = []
    for row in flow_rows[:MAX_FLOWS].tolist():
        first, stop = np.searchsorted(flow, [row, row + 1])
        of_flow = _flow_gaps(row, starts[first:stop].tolist(), stops[first:stop].tolist(), segments[first:stop])
        turned = int(begin[first]) - (1 << 31)  # back to the numbers of the flow
        of_flow.missing = [gap._replace(seq=(gap.seq + turned) % (1 << 32)) for gap in of_flow.missing]
        gaps.append(of_flow)
    return gaps


@derived
def retransmitted_segments(context: Context) -> PerFlow:
    """TCP segments of each flow row that were sent again: neither recorded twice nor only reordered."""
    segments = context.flows[:, schema.FLOW_RETRANSMISSIONS].copy()
    if segments.any():
        recorded_twice = duplicates(context)
        segments[recorded_twice.flow_rows] -= recorded_twice.segments
        _leave_out_others(context, segments)
        for gaps in sequence_gaps(context, segments > 0, with_acks=True):
            segments[gaps.flow] -= gaps.overtaken
    return np.maximum(segments, 0)


def _leave_out_others(context: Context, segments: PerFlow) -> None:
    """Of ports with several connections at a time, count what begins where an earlier segment did.

    Their segments end below those of another one. `segments`: those of each flow that were sent again, duplicates left
    out; changed in place. In a sample, segments are unknown.
    """
    flows, observed = context.flows, context.observations
    is_shared = (segments > 0) & (flows[:, schema.FLOW_TCP_FLAGS] & schema.USED_AGAIN != 0)
    if context.sample_share < 1.0 or not is_shared.any():
        return
    observed = observed[is_shared[observed[:, schema.OBS_FLOW]] & (observed[:, schema.OBS_BYTES] > 0)]
    begins = distinct_rows(observed[:, [schema.OBS_FLOW, schema.OBS_FROM]])
    counts = np.bincount(observed[:, schema.OBS_FLOW], minlength=len(flows))
    counts -= np.bincount(begins[:, 0], minlength=len(flows))
    copies = duplicates(context)
    counts[copies.flow_rows] -= copies.segments
    segments[is_shared] = np.minimum(segments, counts)[is_shared]


def _flow_gaps(row: int, starts: list[int], stops: list[int], segments: Observations) -> SequenceGaps:
    """The gaps of the flow in `row`, of its segments in order of arrival; each has the octets `starts` to `stops`."""
    gaps = SequenceGaps(row)
    times, frames = segments[:, schema.OBS_TIME].tolist(), segments[:, schema.OBS_FRAME].tolist()
    # Start, stop, time in ns at which it was left open. What is before the first segment may have been overtaken by it.
    begin, highest = starts[0], stops[0]
    open_gaps = [(min(starts), begin, times[0])] if min(starts) < begin else []
    for start, stop, time, frame in zip(starts, stops, times, frames, strict=True):
        if start > highest:
            open_gaps.append((highest, start, time))
            gaps.frame = gaps.frame or frame
        elif start < highest and open_gaps:
            open_gaps = _fill(gaps, open_gaps, start, stop, time, begin)
        highest = max(highest, stop)
    open_gaps = [gap for gap in open_gaps if gap[1] > begin]  # nothing is known of what was before
    gaps.never = sum(high - low for low, high, _ in open_gaps)
    gaps.missing = [MissingOctets(low, high - low, since) for low, high, since in open_gaps[:MAX_MISSING]]
    return gaps


def _fill(
    gaps: SequenceGaps, open_gaps: list[tuple[int, int, int]], start: int, stop: int, time: int, begin: int
) -> list[tuple[int, int, int]]:
    """What is left of the open gaps after a segment; counts its octets that fill one as late or reordered.

    What came before `begin`, the first recorded octet, may have passed before the capture: it is never late.
    """
    left = []
    reordered = 0  # octets
    for low, high, since in open_gaps:
        inner, outer = max(low, start), min(high, stop)
        if inner >= outer:
            left.append((low, high, since))
            continue
        is_reordered = time - since <= MAX_REORDERING_NS
        reordered += (outer - inner) * is_reordered
        gaps.late += (outer - inner) * (not is_reordered and low >= begin)
        left += [(low, inner, since)] * (low < inner) + [(outer, high, since)] * (outer < high)
    gaps.overtaken += reordered == stop - start
    return left
