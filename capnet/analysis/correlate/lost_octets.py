"""Octets that left by a link and did not arrive, whatever pieces they were cut into.

Input: observations, and the link that each crosses. Output: which packets are lost in whole or in part, and how many
octets of each link.
Method: how often is each position of the sequence space (of IP datagrams: identification and fragment offset) at one
end, and how often at the other?
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import first_sequence_number
from capnet.analysis.core.schema import FlowRows, Mask, Observations, PerLink, Values
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP

_SEQUENCE_SPACE = 1 << 32  # TCP's sequence numbers
_LINK_STRETCH = 1 << 34  # between the positions of two links: no packet reaches from one to the next


class OctetRanges(NamedTuple):
    """The octets of each packet as positions on one line, on which every link has a stretch of its own."""

    starts: Values
    stops: Values
    is_known: Mask  # has octets, and their position is known


def octet_ranges(context: Context, observations: Observations, links: Values, sources: FlowRows) -> OctetRanges:
    """The octets of observations by the link each of them crosses; `sources`: the flow that each link leaves."""
    flow = sources[links]
    starts = observations[:, schema.OBS_FROM].copy()
    is_tcp = context.flows[flow, schema.FLOW_PROTO] == TCP
    # Sequence numbers are turned so that half of their circle lies on each side of where the flow began.
    begin = first_sequence_number(context.flows[flow, schema.FLOW_FIRST_SEQ])
    starts[is_tcp] = (starts[is_tcp] - begin[is_tcp] + (1 << 31)) % _SEQUENCE_SPACE
    sizes = observations[:, schema.OBS_BYTES]
    starts = starts + links * _LINK_STRETCH
    return OctetRanges(starts, starts + sizes, (observations[:, schema.OBS_FROM] >= 0) & (sizes > 0))


def octets_sent_again(ranges: OctetRanges) -> int:
    """How many octets of packets on one link were sent before; those of a third time count twice."""
    starts, stops = ranges.starts[ranges.is_known], ranges.stops[ranges.is_known]
    order = np.argsort(starts, kind="stable")
    starts, stops = starts[order], stops[order]
    begins = starts.copy()  # of the octets that no packet before it has
    begins[1:] = np.maximum(starts[1:], np.maximum.accumulate(stops)[:-1])
    return int((stops - starts).sum() - np.maximum(stops - begins, 0).sum())


def subtract_ranges(sent: OctetRanges, received: OctetRanges, is_lost: Mask, link_count: int) -> tuple[Mask, PerLink]:
    """For each packet sent, whether it is lost in whole or in part; and the octets that each link lost.

    `is_lost`: whether its digest is missing, for each packet sent.
    """
    sent_starts, sent_stops = sent.starts[sent.is_known], sent.stops[sent.is_known]
    received_starts, received_stops = received.starts[received.is_known], received.stops[received.is_known]
    positions = np.concatenate([sent_starts, sent_stops, received_starts, received_stops])
    order = np.argsort(positions, kind="stable")
    kinds = [len(sent_starts), len(sent_stops), len(received_starts), len(received_stops)]
    sent_times = np.cumsum(np.repeat([1, -1, 0, 0], kinds)[order])  # how often the octets from a position on were sent
    received_times = np.cumsum(np.repeat([0, 0, 1, -1], kinds)[order])
    positions = positions[order]
    lengths = np.append(np.diff(positions), 0)
    missing_octets = np.maximum(sent_times - received_times, 0) * lengths
    absent_octets = np.where((sent_times > 0) & (received_times == 0), lengths, 0)

    def sum_inside(octets: Values) -> Values:
        """Sum of `octets` within each packet sent."""
        sums = np.append(0, np.cumsum(octets))
        return sums[np.searchsorted(positions, sent.stops)] - sums[np.searchsorted(positions, sent.starts)]

    # A packet whose digest arrived is damaged if some of its octets never arrived. One whose digest is missing is lost
    # if some of its octets arrived less often than they were sent.
    is_short = np.where(is_lost, sum_inside(missing_octets) > 0, sum_inside(absent_octets) > 0)
    lost_bytes = np.zeros(link_count, dtype=np.int64)
    np.add.at(lost_bytes, np.minimum(positions // _LINK_STRETCH, link_count - 1), missing_octets)
    return np.where(sent.is_known, is_short, is_lost), lost_bytes
