"""TCP connections that worked, were silent for a while, and then got no answer any more.

Input: segments of connections with a long pause. Output: `Forgotten`s, at the first point of each. Method: before the
pause everything was acknowledged and nothing closed; behind it one end sends data or keepalives again and again and
hears nothing, or a reset. Refuted by a longer pause that a connection to the same server survived.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies, reply_values
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.tcp_connections import (
    MAX_CONNECTIONS,
    Segment,
    ahead,
    has_segments,
    is_foreign_ttl,
    is_tcp_with,
    segments,
)
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP_ACK, TCP_FIN, TCP_RST

SECOND_NS = 1_000_000_000
MIN_SILENCE_NS = 5 * SECOND_NS  # shorter pauses are those of ordinary requests
MIN_RESET_SILENCE_NS = 60 * SECOND_NS  # programs and proxies reset sooner on their own account
MIN_FOREIGN_RESET_SILENCE_NS = 20 * SECOND_NS  # ... which who did not speak in the connection cannot do
MIN_TIMEOUTS = 20  # retransmission timeouts in a pause: else the path may just have been away for a moment
MIN_TRIES = 3  # of the same octets: two repeats have been lost
MAX_COMPARED = 50  # connections to the same server whose pauses are compared


class Forgotten(NamedTuple):
    """A connection that ended by a pause. Times in ns."""

    flow: int  # row of the end that speaks after the pause
    silence: int
    survived: int  # the longest pause that the server's connections survived
    since: int  # when it spoke again
    tries: int
    is_reset: bool  # RST came in answer
    is_foreign_reset: bool  # ... with another TTL than the peer's packets have
    frames: list[int]


@derived
def forgotten_connections(context: Context) -> list[Forgotten]:
    """The connections that ended by a pause, in order of flow rows."""
    if not has_segments(context):
        return []
    flows, answers = context.flows, replies(context)
    is_candidate = is_tcp_with(context, TCP_ACK) & (answers >= 0) & (flow_links(context).before < 0)
    is_candidate &= flows[:, schema.FLOW_LAST] - flows[:, schema.FLOW_FIRST] >= MIN_SILENCE_NS
    is_reset = reply_values(context, schema.FLOW_TCP_FLAGS) & TCP_RST != 0
    # A keepalive counts as no retransmission (`aggregate.kernels.flow_counters`): the answers ended before.
    is_late = flows[:, schema.FLOW_LAST] - reply_values(context, schema.FLOW_LAST) >= SECOND_NS // 2
    forgotten = []
    for row in np.flatnonzero(is_candidate & (is_reset | is_late)).tolist()[:MAX_CONNECTIONS]:
        silent = _forgotten(context, row)
        if silent:
            survived = max([silent.survived, *(_longest_survived(context, other) for other in _others(context, row))])
            if survived < silent.silence:
                forgotten.append(silent._replace(survived=survived))
    return forgotten


def stop_after_pause(context: Context, row: int, since: int, silence: int) -> tuple[int, int] | None:
    """The last flow row that shows what a flow sends after a pause, and the next one, which no longer does."""
    flows, links = context.flows, flow_links(context)
    middle = since - silence // 2  # far enough from both sides of the pause for any clock
    while links.after[row] >= 0:
        following = int(links.target[links.after[row]])
        if flows[following, schema.FLOW_LAST] < middle:
            last = context.points[int(flows[following, schema.FLOW_POINT])].last
            return (row, following) if last and last > middle else None
        row = following
    return None


def _forgotten(context: Context, row: int) -> Forgotten | None:
    passed = segments(context, row)
    number = _resumption(passed)
    if number is None:
        return None
    before, after = passed[:number], passed[number:]
    acked = [s.ack for s in before if s.is_reply and s.flags & TCP_ACK]
    if not acked or any(s.flags & (TCP_FIN | TCP_RST) for s in before):
        return None
    awaited = max(acked, key=lambda ack: ahead(ack, acked[0]))
    if any(ahead(s.end, awaited) > 0 for s in before if not s.is_reply):
        return None  # something was not acknowledged before the pause
    is_keepalive = after[0].seq == (awaited - 1) % (1 << 32) and after[0].payload <= 1
    if not is_keepalive and not (after[0].payload and after[0].seq == awaited):
        return None
    silence = after[0].time - before[-1].time
    tries = [s for s in after if not s.is_reply and s.seq == after[0].seq and not s.is_reset]
    reset = next((s for s in after if s.is_reply), None)
    foreign = reset is not None and is_foreign_ttl(reset.ttl, sorted(s.ttl for s in before if s.is_reply))
    if reset is None:
        is_enough = len(tries) >= MIN_TRIES and silence >= MIN_TIMEOUTS * (tries[1].time - tries[0].time)
    else:
        is_enough = silence >= (MIN_FOREIGN_RESET_SILENCE_NS if foreign else MIN_RESET_SILENCE_NS)
    if not is_enough:
        return None
    frames = [before[-1].frame, *(s.frame for s in tries), *([reset.frame] if reset else [])]
    return Forgotten(
        row, silence, _longest_pause(before), after[0].time, len(tries), reset is not None, foreign, frames
    )


def _resumption(passed: list[Segment]) -> int | None:
    """Index of the segment behind the last long pause, if from then on only one end speaks, or a reset answers it."""
    for number in range(len(passed) - 1, 0, -1):
        if passed[number].is_reset:
            continue
        if passed[number].is_reply:
            return None
        if passed[number].time - passed[number - 1].time >= MIN_SILENCE_NS:
            before = passed[number - 1]
            is_repeat = not before.is_reply and before.seq == passed[number].seq
            if not is_repeat or before.octets == 0 < passed[number].octets:  # an ACK has the number of the next octet
                return number
    return None


def _longest_pause(passed: list[Segment]) -> int:
    """Of a connection that is open: what waited for its SYN-ACK had nothing that could be forgotten."""
    opened = next((number for number, segment in enumerate(passed) if segment.is_reply), len(passed))
    return max((later.time - earlier.time for earlier, later in pairwise(passed[opened:])), default=0)


@derived
def _longest_survived(context: Context, row: int) -> int:
    """The longest pause of a connection that both ends went on after."""
    passed = segments(context, row)
    last_reply = max((number for number, s in enumerate(passed) if s.is_reply and not s.is_reset), default=-1)
    return _longest_pause(passed[: last_reply + 1])


def _others(context: Context, row: int) -> FlowRows:
    """Other connections to the same server and port at the same point."""
    flows = context.flows
    same = [schema.FLOW_POINT, schema.FLOW_PROTO, *schema.FLOW_DST_END]
    is_other = (flows[:, same] == flows[row, same]).all(axis=1)
    is_other &= flows[:, schema.FLOW_LAST] - flows[:, schema.FLOW_FIRST] >= MIN_SILENCE_NS
    is_other[row] = False
    return np.flatnonzero(is_other)[:MAX_COMPARED]
