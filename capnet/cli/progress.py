"""How far a long analysis is: one line on standard error, only on a terminal, gone when it is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from capnet.analysis.engine import Progress

PATIENCE = 1.0  # seconds before there is anything to see
PAUSE = 0.2  # between two lines
_CLEAR = "\r\x1b[K"


@contextmanager
def shown() -> Iterator[Callable[[Progress], None] | None]:
    """What `analyze(progress=...)` takes; None when nobody would see it."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    started = monotonic()
    due = started + PATIENCE
    drawn = False

    def show(progress: Progress) -> None:
        nonlocal due, drawn
        now = monotonic()
        if now >= due:
            sys.stderr.write(_CLEAR + line(progress, now - started))
            sys.stderr.flush()
            due, drawn = now + PAUSE, True

    try:
        yield show
    finally:
        if drawn:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()


def line(progress: Progress, seconds: float) -> str:
    """`1,234,567 packets, 45 %, about 7 s left`; of a stream only what has come."""
    said = f"{progress.packets:,} packets"
    if not progress.size:
        return f"{said}, {progress.taken / 1e6:,.0f} MB"
    share = min(progress.taken / progress.size, 1.0)
    left = seconds * (1 - share) / share if share else 0.0
    return f"{said}, {100 * share:.0f} %, about {left:.0f} s left"
