"""How a path ends: delivered, stopped, lost, in a circle, with an answer that stops, or unknown.

Input: the hops of a path, the flow row of the last one, `fate.verdict`. Output: the values of `Path.ends` and `due`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, replies
from capnet.analysis.core.results import Hop
from capnet.analysis.fate.fates import DELIVERED, STOPS, fates
from capnet.analysis.fate.next_points import chain_of
from capnet.analysis.fate.verdict.stopped_answers import stopped_answers
from capnet.analysis.fate.verdict.verdicts import ANSWER_STOPS, LOOPED, verdicts
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import ICMP_REQUESTS, ICMPV6_ECHO_REQUEST, UDP


class PathEnd(NamedTuple):
    """How a path ends, and the point where its packets, or the answer, were due next."""

    ends: str
    due: str | None = None


def path_end(context: Context, hops: Sequence[Hop], last: int) -> PathEnd:
    """The end of a path; `last` is the flow row of its last hop.

    If half of the packets or more are missing at a hop, they are lost. An answer, the receiver's own interface, or a
    container's interface behind another point means delivery.
    """
    ends = _ends(context)
    point = context.points[int(context.flows[last, schema.FLOW_POINT])]
    outcome = ends.of_chain.get(int(chain_of(context)[last]))
    if outcome is not None and outcome.is_looped:
        return PathEnd("looped")
    if last in ends.stops:
        return PathEnd(f"stops-at {point.name}", context.points[ends.stops[last]].name)
    for before, hop in pairwise(hops):
        if hop.lost and 2 * hop.lost >= before.packets:
            return PathEnd(f"lost-after {before.point}")
    if outcome is not None:
        return PathEnd(f"answer-stops-at {outcome.answer_point}", outcome.answer_due)
    arrives = point.role == "loopback" or (point.role == "container" and len(hops) > 1)
    request = _request_of(context, last)
    if request is not None:  # an address that NAT sets is not the asker's
        arrives |= int(context.flows[request, schema.FLOW_POINT]) == int(context.flows[last, schema.FLOW_POINT])
    else:
        arrives |= replies(context)[last] >= 0 or last in ends.arrived
    return PathEnd("delivered" if arrives else "unknown")


def _request_of(context: Context, row: int) -> int | None:
    """The first hop of what a flow row answers; None if it may be answered itself.

    Nothing answers an echo reply, or the datagram that ends an exchange: it arrives where the request came from.
    """
    flows = context.flows
    opposite = int(replies(context)[row])
    if opposite < 0:
        return None
    if flows[row, schema.FLOW_PROTO] in ICMP_PROTOCOLS:
        is_last_word = flows[row, schema.FLOW_KIND] >> 8 not in (*ICMP_REQUESTS, ICMPV6_ECHO_REQUEST)
    else:
        ends_after = flows[opposite, schema.FLOW_LAST] < flows[row, schema.FLOW_FIRST]
        is_last_word = flows[row, schema.FLOW_PROTO] == UDP and ends_after
    return int(chain_of(context)[opposite]) if is_last_word else None


class _Outcome(NamedTuple):
    """Of a chain that loops, or whose answer stops."""

    is_looped: bool
    answer_point: str
    answer_due: str | None


class _Ends(NamedTuple):
    stops: dict[int, int]  # last row of a chain, or of an answer, that stops → point where it was due
    arrived: set[int]  # last rows at the receiver's own interface
    of_chain: dict[int, _Outcome]


@derived
def _ends(context: Context) -> _Ends:
    states, outcome = fates(context), verdicts(context)
    is_stopped, answers = states.state == STOPS, stopped_answers(context)
    stops = dict(zip(states.last[is_stopped].tolist(), states.due[is_stopped].tolist(), strict=True))
    answers_due = context.flows[answers.request, schema.FLOW_POINT].tolist()
    stops.update(zip(answers.answer.tolist(), answers_due, strict=True))
    of_chain = {}
    for number in np.flatnonzero((outcome.verdict == LOOPED) | (outcome.verdict == ANSWER_STOPS)).tolist():
        point, due = (int(column[number]) for column in (outcome.point, outcome.next))
        due_name = context.points[due].name if due >= 0 else None
        is_looped = bool(outcome.verdict[number] == LOOPED)
        of_chain[int(outcome.first[number])] = _Outcome(is_looped, context.points[point].name, due_name)
    arrived = states.last[states.state == DELIVERED]
    arrived = arrived[context.flows[arrived, schema.FLOW_VIA] == 0]  # what a card gets in a tunnel may stay in it
    return _Ends(stops, set(arrived.tolist()), of_chain)
