"""Octets of TCP that the receiver itself misses: its acknowledgments stay where they begin (RFC 5681 section 2).

Input: sequence gaps at the first point of each flow, and the receiver's segments. Output: one `Missed` for each flow
that may have any. Octets that the receiver acknowledges were only missed by the capture: it began late, or dropped
packets.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.correlate.tcp_gaps import MissingOctets, sequence_gaps
from capnet.analysis.facts.transport.tcp_connections import Segment, ahead, segments
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP_ACK, TCP_RST

MIN_ACKS = 2  # of the receiver, with the same number: the first one may have crossed what it lacks
MIN_WAIT_NS = 1_000_000_000  # a sender repeats after 200, 600 and 1400 ms (RFC 6298, Linux): three tries were lost


class Missed(NamedTuple):
    """What the receiver of a flow misses when the capture ends."""

    flow: int  # row
    gaps: list[MissingOctets]  # the first one is where the receiver's acknowledgments stay
    acks: list[Segment]  # those acknowledgments, after the first gap opened
    passed: list[Segment]  # all segments of both directions
    is_repeated: bool  # the first of these acknowledgments carries nothing new: it answers what came behind the gap
    open_ns: int  # from when the first gap opened to when the capture ends

    @property
    def is_certain(self) -> bool:
        """Do several acknowledgments say so?"""
        return len(self.acks) >= MIN_ACKS

    @property
    def is_open_long(self) -> bool:
        """Did the capture go on until a sender that repeats it would have filled the first gap?"""
        return self.open_ns >= MIN_WAIT_NS


@derived
def missed_octets(context: Context) -> list[Missed]:
    """The flows whose receiver acknowledges nothing behind a gap, where they were seen first."""
    missed = []
    for gaps in sequence_gaps(context, (flow_links(context).before < 0) & (replies(context) >= 0)):
        if not gaps.missing:
            continue
        passed = segments(context, gaps.flow)
        first = gaps.missing[0]
        acks = [s for s in passed if s.is_reply and s.flags & (TCP_ACK | TCP_RST) == TCP_ACK]
        is_acknowledged = any(ahead(ack.ack, first.seq) > 0 for ack in acks)
        waiting = [ack for ack in acks if ack.ack == first.seq]
        acks = [ack for ack in waiting if ack.time >= first.since]
        if acks and not is_acknowledged:
            is_repeated = acks[0].is_pure_ack and len(waiting) > len(acks)
            last_ns = context.points[int(context.flows[gaps.flow, schema.FLOW_POINT])].last or 0
            missed.append(Missed(gaps.flow, gaps.missing, acks, passed, is_repeated, last_ns - first.since))
    return missed
