"""How long the questions of a station take from one point to another one, and whether both are on one host.

Input: exchanges (`facts.neighbours.exchanges`), clocks. Times are ns by the reference clock.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.correlate.clocks import clocks
from capnet.analysis.facts.neighbours.exchanges import Exchange

MAX_HAND_OVER_NS = 50_000  # a kernel hands a frame from a child to its parent in microseconds, a wire needs more


def question_delays(context: Context, before: Iterable[Exchange], after: Iterable[Exchange]) -> list[int]:
    """Times that questions take from one point to another one, of which both show as many (ns)."""
    asked = {(of.kind, of.asker, of.target): of for of in before}
    delays = []
    for of in after:
        first = asked.get((of.kind, of.asker, of.target))
        if first and first.requests == of.requests:
            delays += [
                reference_time(context, of.point, of.first_request)
                - reference_time(context, first.point, first.first_request),
                reference_time(context, of.point, of.last_request)
                - reference_time(context, first.point, first.last_request),
            ]
    return delays


def answer_delays(context: Context, before: Iterable[Exchange], after: Iterable[Exchange], mac: int) -> list[int]:
    """Times that answers of a MAC take from one point to another one, of which both show as many (ns)."""
    answers = {(of.kind, of.asker, of.target): of for of in before if of.target_macs == (mac,)}
    delays = []
    for of in after:
        first = answers.get((of.kind, of.asker, of.target))
        if first and first.replies == of.replies and of.target_macs == (mac,):
            for time, earlier in ((of.first_reply, first.first_reply), (of.last_reply, first.last_reply)):
                delays.append(reference_time(context, of.point, time) - reference_time(context, first.point, earlier))
    return delays


def reference_time(context: Context, point: int, time_ns: int) -> int:
    """A time of a point by the reference clock."""
    every = clocks(context)
    if not every.any_corrected:
        return time_ns
    return int(every.correct_times(np.array([time_ns]), every.of_point[[point]])[0])


def are_on_one_host(context: Context, child: int, card: int, delays: list[int]) -> bool:
    """Are two points on one host? By name, or as questions need no time from the first one to the second.

    A container's name may stand where other points have their host's.
    """
    hosts = [host_of(context.points[point].name) for point in (child, card)]
    if hosts[0] == hosts[1] or (None not in hosts and context.points[child].role != "container"):
        return hosts[0] == hosts[1]
    return bool(delays) and min(delays) >= 0 and max(delays) <= MAX_HAND_OVER_NS
