"""Ctrl-C, SIGTERM and a closed terminal are the same: stop here, undo everything, exit code 130."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interruptible:
    """While open, SIGTERM and SIGHUP raise KeyboardInterrupt as Ctrl-C does.

    After `no_more()` they all wait: the interrupt is raised when the block has ended.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._waiting = False

    def __enter__(self) -> Interruptible:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                self._before[number] = signal.signal(number, _interrupt)
        return self

    def no_more(self) -> None:
        for number in self._before:
            signal.signal(number, self._wait)

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._waiting:
            raise KeyboardInterrupt

    def _wait(self, number: int, frame: FrameType | None) -> None:
        self._waiting = True


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
