"""Full-sized TCP segments that one end sends and the other never gets, while shorter ones pass (RFC 2923 section 2.1).

Input: segments of connections, and the MSS that both SYNs announced. Output: `LostFullSegments`, one for each flow.
Method: a full segment has the smaller MSS of both ends less the options of each segment. Near the receiver, its
acknowledgments stay where a gap of full segments begins, though later octets came. Near the sender, it repeats a full
segment, and the receiver says only that it still waits for it. Where it says nothing, no full segment of the connection
ever arrived, and another conversation of both ends begins meanwhile and is answered. No MTU stops full segments that
arrive in another connection between the same hosts. Limits: connections whose SYNs were captured.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.schema import PerFlow
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.syns.ends import FLOW_ENDS, SYN_ENDS
from capnet.analysis.facts.transport.missing_octets import MIN_WAIT_NS, Missed, missed_octets
from capnet.analysis.facts.transport.tcp_connections import MAX_CONNECTIONS, Segment, ahead, is_tcp_with, segments
from capnet.analysis.fate.next_points import is_answered
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import MAPPED
from capnet.wire.numbers import TCP_ACK, TCP_RST, TCP_SYN

MIN_REPEATS = 2  # of a full segment near its sender: once is what any loss looks like
MIN_LONG = 1000  # octets that may be too many for a path; connections break off for other reasons, too
MIN_FULL = 500  # octets: IPv4 hosts take 576 (RFC 791), so no path MTU is below
TCP_HEADER = 20  # octets
MAX_OTHERS = 50  # connections between the same hosts that are looked at
MAX_FLIGHT = 10  # full segments that a sender sends before it hears anything (RFC 6928)


class LostFullSegments(NamedTuple):
    """Full segments of one flow that never arrived. Sizes in octets."""

    flow: int  # row of the sender's direction
    mss: int
    full: int  # payload of a full segment
    octets: int  # that never arrived
    largest_passed: int  # payload of a segment that did
    is_at_sender: bool  # the capture shows them, else it shows the gap that they left
    frames: list[int]
    is_likely: bool = False  # that smaller packets pass is known of another conversation only


@derived
def announced_mss(context: Context) -> PerFlow:
    """The MSS that the source of each flow announced in its SYN, 0 where none was captured."""
    flows, syns = context.flows, context.syns
    announced = np.zeros(len(flows), dtype=np.int64)
    if len(syns):
        hashes = row_hash(syns[:, SYN_ENDS])
        order = np.argsort(hashes, kind="stable")
        has_syn = np.flatnonzero(is_tcp_with(context, TCP_SYN))
        wanted = hash_of(flows, FLOW_ENDS, has_syn)
        position = np.minimum(np.searchsorted(hashes[order], wanted), len(order) - 1)
        is_of_flow = is_among(wanted, hashes)
        announced[has_syn[is_of_flow]] = syns[order[position[is_of_flow]], schema.SYN_MSS]
    return announced


@derived
def lost_full_segments(context: Context) -> list[LostFullSegments]:
    """Every flow, where it was seen first, whose full segments were lost until the capture ended, by its row."""
    lost = [_beyond(context, missed) for missed in missed_octets(context)]
    reply = replies(context)
    is_candidate = is_tcp_with(context, TCP_SYN) & (reply >= 0) & (flow_links(context).before < 0)
    is_candidate &= context.flows[:, schema.FLOW_RETRANSMISSIONS] >= MIN_REPEATS
    for row in np.flatnonzero(is_candidate).tolist()[:MAX_CONNECTIONS]:
        lost.append(_repeated(context, row))
    by_flow = {of_flow.flow: of_flow for of_flow in lost if of_flow}
    return [of_flow for _, of_flow in sorted(by_flow.items()) if not _others_pass(context, of_flow)]


_HOSTS = [*schema.FLOW_PLACE, schema.FLOW_PROTO, *schema.FLOW_ADDRESSES]


def _full(context: Context, row: int, sent: list[Segment]) -> tuple[int, int]:
    """MSS of a connection, and the payload of a full segment of the flow `row`; (0, 0) if it is not known.

    `sent`: the flow's segments with payload.
    """
    announced = announced_mss(context)
    mss = min(int(announced[row]), int(announced[replies(context)[row]]))
    flow = context.flows[row]
    is_ipv4 = flow[schema.FLOW_SRC_HI] == 0 and flow[schema.FLOW_SRC_LO] >> 32 == MAPPED >> 32
    options = min((s.ip_length - (20 if is_ipv4 else 40) - TCP_HEADER - s.payload for s in sent), default=-1)
    full = mss - options
    return (mss, full) if options >= 0 and full >= MIN_FULL else (0, 0)


def _beyond(context: Context, missed: Missed) -> LostFullSegments | None:
    """Seen near the receiver: all gaps are full segments, and all that came is shorter."""
    row, gaps, passed = missed.flow, missed.gaps, missed.passed
    sent = [s for s in passed if not s.is_reply and s.payload]
    mss, full = _full(context, row, sent)
    largest = max((s.payload for s in sent), default=0)
    behind = next((s for s in passed if not s.is_reply and ahead(s.seq, gaps[0].seq) > 0), None)
    if (
        not full
        or largest >= full
        or behind is None
        or not missed.is_open_long
        or any(gap.octets < full for gap in gaps)
    ):
        return None
    if not missed.is_certain and (not missed.is_repeated or gaps[0].octets > MAX_FLIGHT * full):
        return None
    frames = [*_syn_frames(passed), behind.frame, *(ack.frame for ack in missed.acks)]
    return LostFullSegments(row, mss, full, sum(gap.octets for gap in gaps), largest, False, frames)


def _repeated(context: Context, row: int) -> LostFullSegments | None:
    """Seen near the sender: it repeats a full segment to the end, and the receiver waits for just that one."""
    passed = segments(context, row)
    sent = [s for s in passed if not s.is_reply and s.octets and not s.is_reset]
    acks = [s for s in passed if s.is_reply and s.flags & (TCP_ACK | TCP_RST) == TCP_ACK]
    mss, full = _full(context, row, [s for s in sent if s.payload])
    if not full or not acks:
        return None
    awaited = max((ack.ack for ack in acks), key=lambda number: ahead(number, acks[0].ack))
    tries = [s for s in sent if s.seq == awaited]
    if (
        len(tries) <= MIN_REPEATS
        or tries[-1].time - tries[0].time < MIN_WAIT_NS
        or min(s.payload for s in tries) < full
    ):
        return None
    # Each short segment behind it that arrives is answered once; more answers mean that full ones arrive as well.
    short = [s.payload % full for s in sent if ahead(s.seq, awaited) >= 0 and (s.payload % full or not s.payload)]
    repeated_acks = [ack for ack in acks if ack.ack == awaited][1:]
    repeated_acks = [ack for ack in repeated_acks if ack.is_pure_ack and ack.time > tries[0].time]
    if not repeated_acks:
        return _beside_others(context, row, mss, full, passed, tries)
    if len(repeated_acks) > len(short):
        return None
    octets = max(ahead(s.seq, awaited) + s.payload - s.payload % full for s in sent if s.payload >= full)
    frames = [*_syn_frames(passed), *(s.frame for s in tries), *(ack.frame for ack in repeated_acks)]
    return LostFullSegments(row, mss, full, octets, max(short), True, frames)


class UnacknowledgedLength(NamedTuple):
    """Octets of payload of the segment that a flow repeats in vain, and of the longest that was acknowledged before."""

    lost: int
    passed: int


def unacknowledged_length(context: Context, row: int) -> UnacknowledgedLength | None:
    """The long segment that a flow repeats to its end in vain, None if one so long was acknowledged.

    The other end says nothing any more: whether the length is the reason is open.
    """
    passed = segments(context, row)
    sent = [s for s in passed if not s.is_reply and s.octets and not s.is_reset]
    acks = [s for s in passed if s.is_reply and s.flags & (TCP_ACK | TCP_RST) == TCP_ACK]
    if not acks:
        return None
    awaited = max((ack.ack for ack in acks), key=lambda number: ahead(number, acks[0].ack))
    tries = [s for s in sent if s.seq == awaited]
    if len(tries) <= MIN_REPEATS or tries[-1].time - tries[0].time < MIN_WAIT_NS:
        return None
    length = min(s.payload for s in tries)
    longest_before = max((s.payload for s in sent if ahead(s.end, awaited) <= 0), default=0)
    is_silent = not any(s.is_reply and s.time > tries[1].time for s in passed)
    is_too_long = is_silent and length >= MIN_LONG and longest_before < length
    return UnacknowledgedLength(length, longest_before) if is_too_long else None


def _others_pass(context: Context, lost: LostFullSegments) -> bool:
    """Do full segments arrive in another connection from the same host to the same one?"""
    flows = context.flows
    is_ipv4 = flows[lost.flow, schema.FLOW_SRC_HI] == 0 and flows[lost.flow, schema.FLOW_SRC_LO] >> 32 == MAPPED >> 32
    length = lost.mss + TCP_HEADER + (20 if is_ipv4 else 40)
    is_other = (flows[:, _HOSTS] == flows[lost.flow, _HOSTS]).all(axis=1)
    is_other &= flows[:, schema.FLOW_LARGEST_IP] >= length
    is_other[lost.flow] = False
    return any(
        _passes(segments(context, row), length, lost.is_at_sender) for row in np.flatnonzero(is_other)[:MAX_OTHERS]
    )


def _passes(passed: list[Segment], length: int, is_at_sender: bool) -> bool:
    """Does an IP packet of just this length arrive? Longer ones may be joined from shorter ones (GRO)."""
    ends = [s.end for s in passed if not s.is_reply and s.payload and s.ip_length == length]
    acks = [s.ack for s in passed if s.is_reply and s.flags & (TCP_ACK | TCP_RST) == TCP_ACK]
    return bool(ends) and (not is_at_sender or any(ahead(ack, ends[0]) >= 0 for ack in acks))


def _beside_others(
    context: Context, row: int, mss: int, full: int, passed: list[Segment], tries: list[Segment]
) -> LostFullSegments | None:
    """Seen near the sender: no full segment was ever acknowledged, while another conversation of both ends begins."""
    sent = [s for s in passed if not s.is_reply and s.payload and not s.is_reset]
    before = [s.payload for s in sent if ahead(s.seq, tries[0].seq) < 0]
    flows = context.flows
    is_same_pair = (flows[:, _PAIR] == flows[row, _PAIR]).all(axis=1) | (
        flows[:, _PAIR] == flows[row, _PAIR[:1] + _PAIR[3:] + _PAIR[1:3]]
    ).all(axis=1)
    until = 2 * tries[-1].time - tries[-2].time  # it would be sent again later than that
    is_later = (flows[:, schema.FLOW_FIRST] > tries[1].time) & (flows[:, schema.FLOW_FIRST] < until)
    smaller = np.flatnonzero(is_same_pair & is_later & is_answered(context))
    smaller = smaller[flows[smaller, schema.FLOW_LARGEST_IP] < tries[0].ip_length]
    if max(before, default=0) >= full or not len(smaller):
        return None
    octets = max(ahead(s.seq, tries[0].seq) + s.payload for s in sent)
    largest = int(flows[smaller, schema.FLOW_LARGEST_IP].max())
    frames = [*_syn_frames(passed), *(s.frame for s in tries), int(flows[smaller[0], schema.FLOW_FIRST_FRAME])]
    return LostFullSegments(row, mss, full, octets, largest, True, frames, True)


_PAIR = [schema.FLOW_POINT, *schema.FLOW_ADDRESSES]


def _syn_frames(passed: list[Segment]) -> list[int]:
    return [s.frame for s in passed if s.flags & TCP_SYN][:2]
