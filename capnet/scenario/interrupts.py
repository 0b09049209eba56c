"""Ctrl-C, SIGTERM and a closed terminal are the same: stop here, undo everything, exit code 130."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruptible:
    """While open, the first SIGINT, SIGTERM or SIGHUP raises KeyboardInterrupt.

    Those that follow wait, lest they interrupt the undoing; after `no_more()` the first waits too. Who waited
    is heard when the block has ended. Within another one, what was heard counts for that one too: it has something
    to undo as well. SIGHUP that is ignored, as nohup(1) has it, stays ignored.
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
        for number in self._before:
            signal.signal(number, self._wait)

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        outer = next((each.__self__ for each in self._before.values() if _is_interruptible(each)), None)
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
