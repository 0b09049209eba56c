"""Times between the files of one point in which packets may have passed that it did not record (`wire.series`).

Absence in a pause proves nothing.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import Mask, Values
from capnet.analysis.correlate.clocks import clocks


def are_in_pauses(context: Context, points: Values, since_ns: Values, until_ns: Values) -> Mask:
    """For each point and span of time, by the reference clock: does the span lie in one of the point's pauses?"""
    in_pause = np.zeros(len(points), dtype=bool)
    capture_clocks = clocks(context)
    for point, pauses in context.pauses.items():
        spans = np.flatnonzero(points == point)
        clock = np.full(len(pauses), capture_clocks.of_point[point])
        begins, ends = (capture_clocks.correct_times(times, clock) for times in np.array(pauses, dtype=np.int64).T)
        pause = np.searchsorted(begins, since_ns[spans], "right") - 1  # the last one that begins before
        in_pause[spans] = (pause >= 0) & (until_ns[spans] <= ends[pause])
    return in_pause
