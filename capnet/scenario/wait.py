"""Readiness is polled, never slept for."""

from __future__ import annotations

import time
from collections.abc import Callable

from capnet.errors import ScenarioFailed

_OFTEN, _SELDOM = 0.1, 1.0  # seconds between two questions: first and last


def wait_until(true: Callable[[], bool], what: str, *, within: float = 60) -> None:
    """Returns when `true()` is. ScenarioFailed, naming `what`, after `within` seconds.

    The longer it takes, the more seldom it asks: asking makes work, and what takes long may lack the time.
    """
    deadline = time.monotonic() + within
    pause = _OFTEN
    while not true():
        if time.monotonic() > deadline:
            raise ScenarioFailed(f"after {within:.0f} s still not so: {what}")
        time.sleep(pause)
        pause = min(pause * 1.3, _SELDOM)
