"""Octets of TCP that the receiver itself misses: its acknowledgments stay where they begin (RFC 5681 section 2).

Input: sequence gaps at the first point of each flow, and the receiver's segments. Output: one `Missed` for each flow
that has any. Octets that the receiver acknowledges were only missed by the capture: it began late, or dropped packets.
"""

from __future__ import annotations

from typing import NamedTuple

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.correlate.tcp_gaps import MissingOctets, sequence_gaps
from capnet.analysis.facts.transport.tcp_connections import Segment, ahead, segments
from capnet.wire.numbers import TCP_ACK, TCP_RST

MIN_ACKS = 2  # of the receiver, with the same number: the first one may have crossed what it lacks


class Missed(NamedTuple):
    """What the receiver of a flow misses when the capture ends."""

    flow: int  # row
    gaps: list[MissingOctets]  # the first one is where the receiver's acknowledgments stay
    acks: list[Segment]  # those acknowledgments, after the first gap opened
    passed: list[Segment]  # all segments of both directions


@derived
def missed_octets(context: Context) -> list[Missed]:
    """The flows whose receiver misses octets, where they were seen first."""
    missed = []
    for gaps in sequence_gaps(context, (flow_links(context).before < 0) & (replies(context) >= 0)):
        if not gaps.missing:
            continue
        passed = segments(context, gaps.flow)
        first = gaps.missing[0]
        acks = [s for s in passed if s.is_reply and s.flags & (TCP_ACK | TCP_RST) == TCP_ACK]
        is_acknowledged = any(ahead(ack.ack, first.seq) > 0 for ack in acks)
        acks = [ack for ack in acks if ack.ack == first.seq and ack.time >= first.since]
        if not is_acknowledged and len(acks) >= MIN_ACKS:
            missed.append(Missed(gaps.flow, gaps.missing, acks, passed))
    return missed
