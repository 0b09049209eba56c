"""TCP connections as a point shows them: the segments of both directions, in the order in which they passed.

Input: the observations of the pass. Output: `Segment`s of one connection; none where only a sample of packets
was observed, since then absence proves nothing. Limits: the first MAX_SEGMENTS of a connection.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import INITIAL_TTLS, replies
from capnet.analysis.core.schema import FlowMask, Mask, Values
from capnet.analysis.facts.transport.flow_observations import observations_of
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN, TCP_SYN_ACK

MAX_SEGMENTS = 20_000
MAX_CONNECTIONS = 500  # of which a caller examines the segments one by one
MIN_HOPS, MIN_HOPS_FROM_ONE = 2, 5  # by which a TTL differs from several packets, from one
_NUMBERS = [schema.OBS_CONTROL, schema.OBS_FROM]
_COLUMNS = [
    schema.OBS_FLOW, schema.OBS_TIME, schema.OBS_FRAME, schema.OBS_TTL, schema.OBS_LENGTH, schema.OBS_FROM,
    schema.OBS_BYTES, schema.OBS_CONTROL,
]  # fmt: skip
_CIRCLE = 1 << 32  # sequence numbers wrap around (RFC 9293 section 3.4)


class Segment(NamedTuple):
    """One TCP segment. `seq`, `ack`: raw numbers; `octets`: payload, and one each for SYN and FIN."""

    is_reply: bool  # of the opposite direction
    time: int  # ns
    frame: int
    ttl: int
    ip_length: int  # octets
    seq: int
    octets: int
    ack: int
    window: int  # as sent, not scaled
    flags: int

    @property
    def payload(self) -> int:
        """Octets of payload."""
        return self.octets - bool(self.flags & TCP_SYN) - bool(self.flags & TCP_FIN)

    @property
    def end(self) -> int:
        """The sequence number behind its last octet."""
        return (self.seq + self.octets) % _CIRCLE

    @property
    def accepted(self) -> int:
        """Of a SYN-ACK, the sequence number of the SYN that it answers."""
        return (self.ack - 1) % _CIRCLE

    @property
    def is_syn(self) -> bool:
        """SYN without ACK: does it ask for a connection?"""
        return self.flags & TCP_SYN_ACK == TCP_SYN

    @property
    def is_syn_ack(self) -> bool:
        """Does it accept a connection?"""
        return self.flags & TCP_SYN_ACK == TCP_SYN_ACK

    @property
    def is_reset(self) -> bool:
        """Does it reset the connection?"""
        return bool(self.flags & TCP_RST)

    @property
    def is_pure_ack(self) -> bool:
        """ACK alone, without octets?"""
        return self.flags & (TCP_ACK | TCP_SYN | TCP_FIN | TCP_RST) == TCP_ACK and not self.octets


def ahead(number: int, of: int) -> int:
    """How far a sequence number is ahead of another one, negative if behind it (RFC 9293 section 3.4)."""
    return (number - of + (_CIRCLE >> 1)) % _CIRCLE - (_CIRCLE >> 1)


def has_segments(context: Context) -> bool:
    """Do `segments` return any? Ask before work on all flows that ends with a look at them."""
    return context.sample_share == 1.0


def segments(context: Context, row: int) -> list[Segment]:
    """The segments of a flow row and of its replies, in the order in which they passed; none in a sample."""
    if not has_segments(context):
        return []
    reply = int(replies(context)[row])
    observed = observations_of(context, row, *([reply] if reply >= 0 else []))
    observed = observed[(observed[:, _NUMBERS] >= 0).all(axis=1)][:MAX_SEGMENTS, _COLUMNS]
    # Most connections have a few segments: numbers of Python are taken apart in less time than arrays.
    return [
        Segment(
            flow != row, time, frame, ttl, length, seq, octets, control & 0xFFFFFFFF, control >> 32 & 0xFFFF,
            control >> 48,
        )
        for flow, time, frame, ttl, length, seq, octets, control in observed.tolist()
    ]  # fmt: skip


def spoken(passed: list[Segment]) -> list[Segment]:
    """The segments with payload, without keep-alive probes."""
    messages = [segment for segment in passed if segment.octets]
    if any(segment.octets == segment.payload == 1 for segment in messages):
        columns = np.array([(each.is_reply, each.seq, each.octets, each.flags) for each in messages]).T
        are_messages = ~are_keepalives(*columns)
        messages = [segment for segment, is_message in zip(messages, are_messages, strict=True) if is_message]
    return [segment for segment in messages if segment.payload]


def are_keepalives(flow: Values, seq: Values, octets: Values, flags: Values) -> Mask:
    """Per segment: is it a keep-alive probe, one octet that was sent before (RFC 9293 section 3.8.4)?

    Segments with octets, those of one flow in the order in which they passed; `flow` tells flows apart. Where nothing
    of a flow was captured before: what a program sends ends with PSH.
    """
    by_flow = np.argsort(flow, kind="stable")
    flow, seq, octets, flags = (values[by_flow] for values in (flow, seq, octets, flags))
    is_first = np.ones(len(flow), dtype=bool)
    is_first[1:] = flow[1:] != flow[:-1]
    ends = seq + octets
    is_repeat = np.zeros(len(flow), dtype=bool)
    is_repeat[1:] = (ends[_highest_so_far(is_first, ends)[:-1]] - seq[1:]) % _CIRCLE == 1
    result = np.zeros(len(flow), dtype=bool)
    result[by_flow] = (octets == 1) & np.where(is_first, flags & TCP_PSH == 0, is_repeat)
    return result


def _highest_so_far(is_first: Mask, ends: Values) -> Values:
    """Per segment: which of its flow has the highest end up to it; `is_first`: of its flow."""
    steps = (np.diff(ends, prepend=0) + (_CIRCLE >> 1)) % _CIRCLE - (_CIRCLE >> 1)
    steps[is_first] = 0
    order = np.lexsort((np.cumsum(steps), np.cumsum(is_first)))
    ranks = np.empty(len(ends), dtype=np.int64)
    ranks[order] = np.arange(len(ends))
    highest: Values = order[np.maximum.accumulate(ranks)]
    return highest


def server_ttls(context: Context, row: int, own: list[int]) -> list[int]:
    """TTLs of a flow row (`own`), and those that packets of the same port have in other connections; sorted."""
    flows = context.flows
    ends = [schema.FLOW_POINT, *schema.FLOW_SRC_END]
    is_same = (flows[:, ends] == flows[row, ends]).all(axis=1) & (flows[:, schema.FLOW_PROTO] == TCP)
    # The TTL of a flow is that of its first packet; where it holds nothing else, that may be a reset.
    is_same &= (flows[:, schema.FLOW_TCP_FLAGS] & TCP_RST == 0) | (flows[:, schema.FLOW_SYNACK_TIME] >= 0)
    is_same[row] = False  # its first packet is one of `own`
    return sorted(own + flows[is_same, schema.FLOW_TTL].tolist())


def is_foreign_ttl(ttl: int, usual: list[int]) -> bool:
    """Does a TTL tell that another host sent a packet than the one whose packets have these?

    True if it began as another initial TTL; if hosts of this link have it and routed packets the others; or if it is
    2 hops or more from all of several that agree, or far from a single one. Paths over the Internet differ by a hop,
    and change.
    """
    if not usual or min(usual) <= ttl <= max(usual):
        return False
    if _initial(ttl) not in {_initial(each) for each in usual}:
        return True
    hops = min(abs(ttl - each) for each in usual)
    agrees = usual[-1] - usual[0] <= 1
    if hops == 1:
        return usual[0] == usual[-1] and (ttl in INITIAL_TTLS or usual[0] in INITIAL_TTLS)
    return agrees and hops >= (MIN_HOPS if len(usual) > 1 else MIN_HOPS_FROM_ONE)


def _initial(ttl: int) -> int:
    return next((initial for initial in (32, *INITIAL_TTLS) if ttl <= initial), 255)


def is_tcp_with(context: Context, flags: int) -> FlowMask:
    """Per flow: is it TCP, and were all of these flags set in it?"""
    flows = context.flows
    mask: FlowMask = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_TCP_FLAGS] & flags == flags)
    return mask
