"""Readiness is polled, never slept for."""

from __future__ import annotations

import time
from collections.abc import Callable

from capnet.errors import ScenarioFailed


def until(true: Callable[[], bool], what: str, *, within: float = 15, every: float = 0.1) -> None:
    """Returns when `true()` is. ScenarioFailed, naming `what`, after `within` seconds."""
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() > deadline:
            raise ScenarioFailed(f"after {within:.0f} s still not so: {what}")
        time.sleep(every)
