"""Waits for what programs tell in files only, or by their state: nothing wakes who waits for it, so it is polled."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

POLL_S = 0.02  # capnet does nothing else meanwhile, and a look costs some microseconds


def poll_until(is_over: Callable[[], bool], within_s: float, stop: Event | None = None) -> bool:
    """Asks until `is_over()`. False if it is not within so many seconds, or before `stop` is set."""
    deadline = time.monotonic() + within_s
    pause = stop.wait if stop else time.sleep
    while not is_over():
        if time.monotonic() > deadline or pause(POLL_S):
            return False
    return True
