"""How long live tests may go on beginning: CAPNET_LIVE_SECONDS, for a machine that has no time for all of them.

A run begins with another file at each commit, so that what one leaves out, another plays. The tests that were left out
are skipped, and the end of the run names them with this reason.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from time import monotonic
from typing import TypeVar

T = TypeVar("T")


class TimeBudget:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self.seconds = float(os.environ.get("CAPNET_LIVE_SECONDS") or "inf")
        self._begun = monotonic()
        self.left_out: Counter[str] = Counter()  # file → tests

    def is_spent(self) -> bool:
        """Whether no other test may begin."""
        return monotonic() - self._begun > self.seconds

    def leave_out(self, file: str) -> str:
        """Leave out a test of this file. Returns the reason."""
        self.left_out[file] += 1
        return f"by turns: {self.seconds:.0f} seconds (CAPNET_LIVE_SECONDS) were over; other commits begin elsewhere"

    def summary(self) -> str:
        """Which tests were left out; empty if none."""
        files = ", ".join(f"{file} {tests}" for file, tests in self.left_out.items())
        return f"left out, {self.left_out.total()} live tests: {files}" if files else ""


def rotated(files: Sequence[T], turn: int) -> list[T]:
    """The files in the order of a turn: far from the first one of the turn before, so that few are left out twice."""
    start = turn * max(round(len(files) * 0.618), 1) % max(len(files), 1)
    return [*files[start:], *files[:start]]
