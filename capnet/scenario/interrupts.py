"""Ctrl-C, SIGTERM and a closed terminal are the same: stop here, undo everything, exit code 130."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruptible:
    """While open, the first SIGINT, SIGTERM or SIGHUP raises KeyboardInterrupt.

    Later signals wait until the block has ended, so that they do not interrupt the undoing; after `no_more()` the first
    one waits too. A signal within a nested block counts for the outer one as well, which has something to undo, too.
    SIGHUP that is ignored, as by nohup(1), stays ignored.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._waiting = False
        self._heard = False

    def __enter__(self) -> Interruptible:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                    continue
                self._before[number] = signal.signal(number, self._interrupt)
        return self

    def no_more(self) -> None:
        """From now on signals wait until the block has ended."""
        for number in self._before:
            signal.signal(number, self._wait)

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        outer = next((handler.__self__ for handler in self._before.values() if _is_interruptible(handler)), None)
        if outer is not None and (self._heard or self._waiting):
            outer._heard = True
            outer.no_more()
        if self._waiting:
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._heard = True
        self.no_more()
        raise KeyboardInterrupt

    def _wait(self, number: int, frame: FrameType | None) -> None:
        self._waiting = True


def _is_interruptible(handler: Any) -> bool:
    return isinstance(getattr(handler, "__self__", None), Interruptible)
