"""Losses that long paths have on a usual day, and TCP makes up for (RFC 9293 section 3.8.1).

Input: lost packets per flow, of all flows on one way, or those that were sent again. Output: whether they are rare.
Method: they are one or two, or less than 0.5 % of all packets, and no connection lost three or more and 1 % of its
packets. Packets are counted as the network carries them: a host hands its card up to 64 KB in one frame, which the card
cuts to the MSS.
Limits: the MSS is that of the SYNs; where no SYN was captured, one of Ethernet for frames that no network carries.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies, sequence_span
from capnet.analysis.core.schema import PerFlow, Values
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.tcp_gaps import MAX_FLOW_OCTETS
from capnet.analysis.facts.transport.full_segments import announced_mss
from capnet.analysis.facts.transport.lost_lengths import MAX_MTU
from capnet.wire.numbers import TCP, TCP_FIN, TCP_SYN

MIN_LOST = 3  # fewer are what a short capture shows by chance
MIN_SHARE = 0.005  # of all packets: long paths lose fewer on a usual day
MIN_OF_CONNECTION, MIN_SHARE_OF_CONNECTION = 3, 0.01  # one that suffers alone, among many that do not
USUAL_MSS = 1460  # octets, of an Ethernet


def are_rare(lost: Values, packets: Values) -> bool:
    """Of each flow on one way, the packets that were lost, and all: are these losses of a usual day?"""
    suffers = (lost >= MIN_OF_CONNECTION) & (lost >= MIN_SHARE_OF_CONNECTION * packets)
    return bool(not suffers.any() and (lost.sum() < MIN_LOST or lost.sum() < MIN_SHARE * packets.sum()))


@derived
def packets_on_the_wire(context: Context) -> PerFlow:
    """Packets of each flow row without duplicates, offload segments of TCP as the packets they are cut into."""
    flows, packets = context.flows, packets_without_duplicates(context)
    rows = np.flatnonzero((flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_LARGEST_IP] > 0))
    size = np.zeros(len(flows), dtype=np.int64)
    size[rows] = _segment_size(context)[rows]
    counted = packets.astype(np.int64)
    is_cut = size > 0
    counted[is_cut] = np.maximum(counted[is_cut], flows[is_cut, schema.FLOW_PAYLOAD] // size[is_cut])
    return counted


def sent_again_on_the_wire(context: Context, segments: PerFlow) -> PerFlow:
    """The packets in which each flow row sent this many segments again: those of an offload as they are cut.

    Method: the octets beyond the flow's sequence numbers were sent again; at most as many as the largest segments have.
    """
    flows, counted = context.flows, segments.astype(np.int64)
    rows = np.flatnonzero((segments > 0) & (flows[:, schema.FLOW_LARGEST_IP] > MAX_MTU))
    if not len(rows):
        return counted
    of_rows, size = flows[rows], _segment_size(context)[rows]
    ends = sum(of_rows[:, schema.FLOW_TCP_FLAGS] & flag != 0 for flag in (TCP_SYN, TCP_FIN))  # numbers without octets
    span = sequence_span(of_rows[:, schema.FLOW_FIRST_SEQ], of_rows[:, schema.FLOW_NEXT_SEQ]) - ends
    is_known = (size > 0) & (of_rows[:, schema.FLOW_PAYLOAD] < MAX_FLOW_OCTETS)
    is_known &= packets_without_duplicates(context)[rows] == of_rows[:, schema.FLOW_PACKETS]
    rows, of_rows, size, span = rows[is_known], of_rows[is_known], size[is_known], span[is_known]
    packets = -(-(of_rows[:, schema.FLOW_PAYLOAD] - span) // size)
    most = counted[rows] * -(-of_rows[:, schema.FLOW_LARGEST_IP] // size)
    counted[rows] = np.clip(packets, counted[rows], most)
    return counted


def _segment_size(context: Context) -> PerFlow:
    """Octets of a full segment of each flow row, 0 where they are unknown."""
    announced, reply = announced_mss(context), replies(context)
    opposite = np.where(reply >= 0, announced[reply], 0)
    largest_ip = context.flows[:, schema.FLOW_LARGEST_IP]
    size = np.where((announced > 0) & (opposite > 0), np.minimum(announced, opposite), np.maximum(announced, opposite))
    return np.where((size == 0) & (largest_ip > MAX_MTU), USUAL_MSS, size)
