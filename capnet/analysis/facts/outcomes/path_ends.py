"""How a path ends: delivered, stopped, lost, in a circle, with an answer that stops, or unknown.

Input: the hops of a path, the flow row of the last one, `fate.verdicts`. Output: the value of `Path.ends`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.results import Hop
from capnet.analysis.fate.fates import DELIVERED, STOPS, fates
from capnet.analysis.fate.next_points import chain_of
from capnet.analysis.fate.stopped_answers import stopped_answers
from capnet.analysis.fate.verdicts import ANSWER_STOPS, LOOPED, verdicts


def path_end(context: Context, hops: Sequence[Hop], last: int) -> str:
    """The end of a path; `last` is the flow row of its last hop.

    If half of the packets or more are missing at a hop, they are lost. An answer, the receiver's own interface, or a
    container's interface behind another point means delivery.
    """
    ends = _ends(context)
    point = context.points[int(context.flows[last, schema.FLOW_POINT])]
    outcome = ends.of_chain.get(int(chain_of(context)[last]))
    if outcome is not None and outcome.is_looped:
        return "looped"
    if last in ends.stops:
        return f"stops-at {point.name}"
    for before, hop in pairwise(hops):
        if hop.lost and 2 * hop.lost >= before.packets:
            return f"lost-after {before.point}"
    if outcome is not None:
        return f"answer-stops-at {outcome.answer_point}"
    arrives = point.role == "loopback" or (point.role == "container" and len(hops) > 1)
    if replies(context)[last] >= 0 or last in ends.arrived or arrives:
        return "delivered"
    return "unknown"


class _Outcome(NamedTuple):
    """Of a chain that loops, or whose answer stops."""

    is_looped: bool
    answer_point: str


class _Ends(NamedTuple):
    stops: set[int]  # last rows of chains, and of answers, that stop
    arrived: set[int]  # last rows at the receiver's own interface
    of_chain: dict[int, _Outcome]


@derived
def _ends(context: Context) -> _Ends:
    states, outcome = fates(context), verdicts(context)
    stops = set(states.last[states.state == STOPS].tolist()) | set(stopped_answers(context).answer.tolist())
    of_chain = {}
    for number in np.flatnonzero((outcome.verdict == LOOPED) | (outcome.verdict == ANSWER_STOPS)).tolist():
        point = context.points[int(outcome.point[number])].name
        of_chain[int(outcome.first[number])] = _Outcome(outcome.verdict[number] == LOOPED, point)
    return _Ends(stops, set(states.last[states.state == DELIVERED].tolist()), of_chain)
