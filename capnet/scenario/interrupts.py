"""Ctrl-C, SIGTERM and a closed terminal are the same: stop here, undo everything, exit code 130."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interruptible:
    """While open, the first SIGINT, SIGTERM or SIGHUP raises KeyboardInterrupt.

    Those that follow wait, lest they interrupt the undoing; after `no_more()` the first waits too. Who waited
    is heard when the block has ended.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._waiting = False

    def __enter__(self) -> Interruptible:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                self._before[number] = signal.signal(number, self._interrupt)
        return self

    def no_more(self) -> None:
        for number in self._before:
            signal.signal(number, self._wait)

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._waiting:
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.no_more()
        raise KeyboardInterrupt

    def _wait(self, number: int, frame: FrameType | None) -> None:
        self._waiting = True
