"""TCP connections that end by a reset while something is still to be said.

Input: segments of connections with RST. Output: `Reset`s, at the last point of each. Method: neither side has closed
(FIN), and octets passed; then a reset comes from the server though it was asked, or from either side in the middle of
an answer, or with a TTL that its sender's packets cannot have: something between them sent it. A client that closes
before it can know of the reset asked for nothing; nor does a keep-alive probe. Where octets passed that the capture
lacks, an answer may be among them, and only the TTL tells anything. Limits: a client that resets
after a full answer, as pools, health checks and TLS libraries do, ends in the usual way.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.idle_connections import MIN_RESET_SILENCE_NS
from capnet.analysis.facts.transport.tcp_connections import (
    MAX_CONNECTIONS,
    Segment,
    ahead,
    has_segments,
    is_foreign_ttl,
    is_tcp_with,
    segments,
    server_ttls,
    spoken,
)
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST

UNANSWERED, UNFINISHED, FOREIGN = "unanswered", "unfinished", "foreign"  # what was still to be said
UNKNOWN = "unknown"  # unanswered, and the host says that it has no such connection
PARTING = "parting"  # a request without an answer, or a message that has none: it looks the same
MAX_PARTING = 96  # octets: LDAP's unbindRequest, QUIT, an alert of TLS
MAX_PARTING_NS = 200_000_000  # from such a message to the reset; as long as an acknowledgment may be delayed


class Reset(NamedTuple):
    """A reset in a session."""

    flow: int  # row of the direction that it was sent in
    is_by_server: bool
    why: str
    octets: int  # of payload that had passed in both directions
    since_answer: int  # of them, what the client sent after the server's last ones; 0 if there are none of the server
    ttl: int
    usual_ttls: list[int]  # of its sender's other packets
    hops: tuple[int, int] | None  # flow rows: the last one that lacks the reset, and the first one that has it
    frames: list[int]


@derived
def session_resets(context: Context) -> list[Reset]:
    """The resets in sessions, in order of flow rows."""
    if not has_segments(context):
        return []
    is_candidate = is_tcp_with(context, TCP_RST) & (replies(context) >= 0) & (flow_links(context).after < 0)
    payload = context.flows[:, schema.FLOW_PAYLOAD]
    is_candidate &= payload + payload[replies(context)] > 0
    resets = [_reset(context, row) for row in np.flatnonzero(is_candidate).tolist()[:MAX_CONNECTIONS]]
    return [reset for reset in resets if reset]


def _reset(context: Context, row: int) -> Reset | None:
    passed = segments(context, row)
    number = next((number for number, s in enumerate(passed) if s.flags & (TCP_RST | TCP_FIN)), None)
    if number is None or not passed[number].is_reset or passed[number].is_reply:
        return None
    reset, before, after = passed[number], passed[:number], passed[number + 1 :]
    messages = spoken(before)
    own = [s.ttl for s in before if not s.is_reply]
    usual = set(own)
    if not messages or not usual or reset.time - messages[-1].time >= MIN_RESET_SILENCE_NS:
        return None
    is_by_server = _is_server(context, row, before)
    why = _why(reset, messages, after, is_by_server) if _has_all_octets(before, reset) else ""
    if reset.ttl not in usual:
        ttls = server_ttls(context, row, own)
        usual = set(ttls)
        why = FOREIGN if is_foreign_ttl(reset.ttl, ttls) else why
    is_after_pause = len(messages) > 1 and messages[-1].time - messages[-2].time >= MIN_RESET_SILENCE_NS
    if not why or (is_after_pause and why != FOREIGN):
        return None
    frames = [messages[-1].frame, reset.frame]
    octets = sum(s.payload for s in messages)
    answers = [number for number, s in enumerate(messages) if s.is_reply != is_by_server]
    since_answer = sum(s.payload for s in messages[answers[-1] + 1 :]) if answers else 0
    return Reset(
        row, is_by_server, why, octets, since_answer, reset.ttl, sorted(usual), _birth(context, row, reset), frames
    )


def _has_all_octets(before: list[Segment], reset: Segment) -> bool:
    """Are the last octets of both sides in the capture: what is acknowledged, and what empty segments follow?"""
    for is_reply in (False, True):
        own = [s for s in before if s.is_reply == is_reply]
        if not own:
            continue
        shown = max(ahead(s.end, own[0].seq) for s in own if s is own[0] or s.octets)
        reached = [s.seq for s in own] + [
            s.ack for s in (*before, reset) if s.is_reply != is_reply and s.flags & TCP_ACK
        ]
        reached += [] if is_reply else [reset.seq]
        if max(ahead(number, own[0].seq) for number in reached) > shown:
            return False
    return True


def _why(reset: Segment, messages: list[Segment], after: list[Segment], is_by_server: bool) -> str:
    """What was still to be said when the reset came; "" if nothing was."""
    last = messages[-1]
    if is_by_server:
        if last.is_reply:
            return _why_unanswered(reset, messages, after)
        return "" if last.flags & TCP_PSH else UNFINISHED
    own = [s for s in messages if s.is_reply]
    goes_on = own and any(s.is_reply and s.payload and ahead(s.end, own[-1].end) > 0 for s in after)
    return UNFINISHED if goes_on and not last.flags & TCP_PSH else ""


def _why_unanswered(reset: Segment, messages: list[Segment], after: list[Segment]) -> str:
    """The same, where the client spoke last."""
    if not reset.flags & TCP_ACK:
        # RFC 9293 section 3.10.7.1: a segment of no connection gets a RST without ACK; a program's has one.
        return UNKNOWN
    if any(s.is_reply and s.flags & TCP_FIN and s.time - reset.time <= MAX_PARTING_NS for s in after):
        return ""  # who has got a reset sends no FIN: the client closed, and waited for nothing
    last, was_answered = messages[-1], any(not s.is_reply for s in messages)
    is_at_once = reset.time - last.time <= MAX_PARTING_NS
    return PARTING if was_answered and is_at_once and last.payload <= MAX_PARTING else UNANSWERED


def _is_server(context: Context, row: int, before: list[Segment]) -> bool:
    """Is the source of a flow row the end that was asked for the connection: by its SYN, else by its port?"""
    handshake = next((s for s in before if s.is_syn or s.is_syn_ack), None)
    if handshake:
        return handshake.is_syn == handshake.is_reply
    return bool(context.flows[row, schema.FLOW_SPORT] < context.flows[row, schema.FLOW_DPORT])


def _birth(context: Context, row: int, reset: Segment) -> tuple[int, int] | None:
    """Where a reset appears first, if an earlier hop of its direction, at another point, lacks it."""
    links, points = flow_links(context), context.flows[:, schema.FLOW_POINT]
    while links.before[row] >= 0:
        earlier = int(links.source[links.before[row]])
        if not any(s.is_reset and not s.is_reply and s.seq == reset.seq for s in segments(context, earlier)):
            return (earlier, row) if points[earlier] != points[row] else None
        row = earlier
    return None
