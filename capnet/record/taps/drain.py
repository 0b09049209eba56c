"""Tells when capture programs have read what waits for them in the kernel, so that they can be stopped without loss.

Packets wait in a program's ring buffer until it is full enough or the program's read timeout is over; what is there
when the program ends is lost. A program that sleeps after that time has read all that waited when it began.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from capnet.record.taps.capture_process import CaptureProcess

WAKE_UP_S = 0.05  # beyond the read timeout, after which a program with packets in its ring buffer does not sleep

_PAUSE_S = 0.05
_MAX_DRAIN_S = 3.0  # beyond the read timeout, where traffic goes on that a program cannot keep up with


class Drain:
    """Begins with the object; `is_over` is asked again and again, at least every 0.1 s."""

    def __init__(self, captures: Sequence[CaptureProcess]) -> None:
        self._timeout_s = read_timeout(captures)
        self._begin = time.monotonic()
        self._behind = [capture for capture in captures if not capture.has_ended()]

    def is_over(self) -> bool:
        """Has each program slept since its packets must have woken it? True also when that takes too long."""
        seconds = time.monotonic() - self._begin - self._timeout_s
        if seconds > WAKE_UP_S:
            self._behind = still_reading(self._behind)
        return not self._behind or seconds >= _MAX_DRAIN_S

    def pause(self) -> None:
        """Waits a moment before `is_over` is asked again: a state of a process can only be polled."""
        time.sleep(_PAUSE_S)


def still_reading(captures: Sequence[CaptureProcess]) -> list[CaptureProcess]:
    """Those that do not sleep at this moment."""
    return [capture for capture in captures if not capture.is_sleeping()]


def let_go_on(captures: Sequence[CaptureProcess], say: Callable[[str], None]) -> None:
    """What has been stopped (SIGSTOP) must go on to read what waits for it."""
    for capture in captures:
        if capture.let_go_on():
            say(f"{capture.program.name} at {capture.point.name} had been stopped and goes on now")


def read_timeout(captures: Sequence[CaptureProcess]) -> float:
    """Seconds that packets wait in the kernel at most before each of the programs is woken."""
    return max((capture.program.read_timeout for capture in captures), default=0.0)
