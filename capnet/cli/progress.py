"""Shows the progress of a long analysis: one line on standard error, on a terminal only, removed at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from capnet.language import message

if TYPE_CHECKING:
    from capnet.analysis.engine import Progress

FIRST_LINE_S = 1.0  # shorter analyses show no progress
LINE_INTERVAL_S = 0.2  # five lines a second are read as motion
_CLEAR = "\r\x1b[K"


@contextmanager
def shown() -> Iterator[Callable[[Progress], None] | None]:
    """A function that shows progress, for `Options.progress`; None if standard error is no terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    started = monotonic()
    due = started + FIRST_LINE_S
    drawn = False

    def show(progress: Progress) -> None:
        nonlocal due, drawn
        now = monotonic()
        if now >= due:
            sys.stderr.write(_CLEAR + line(progress, now - started))
            sys.stderr.flush()
            due, drawn = now + LINE_INTERVAL_S, True

    try:
        yield show
    finally:
        if drawn:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()


def line(progress: Progress, seconds: float) -> str:
    """`1,234,567 packets, 45 %, about 7 s left`; for a stream, which has no size, packets and bytes so far."""
    packets = f"{progress.packets:,} packets"
    if not progress.size:
        return message(f"{packets}, {progress.taken / 1e6:,.0f} MB")
    share = min(progress.taken / progress.size, 1.0)
    left = seconds * (1 - share) / share if share else 0.0
    return message(f"{packets}, {100 * share:.0f} %, about {left:.0f} s left")
