"""Ctrl-C, SIGTERM and a closed terminal are the same: stop here, undo everything, exit code 130."""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection, Iterator
from types import FrameType
from typing import Any

_HAS_TIMER = hasattr(signal, "setitimer")  # not on Windows, which has no SIGHUP either
SIGNALS = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if _HAS_TIMER else ()))

# Python runs a signal's handler between any two instructions. An exception from there is dropped while an object is
# finalized, and in a callback of C code, such as Arrow's, which may then end the process; between the taking of a lock
# and the `try` that gives it back, the lock is never given back, and what wants it later, as to undo something, waits
# without end; while a program is started, it is started without a parent that knows it.
_FINALIZING = ("weakref", "_weakrefset")
_LOCKING = ("threading", "queue", "importlib._bootstrap", "logging")
_CALLED_BY_C = ("capnet.table.arrow", "capnet.table.arrow_structs")
_CATCHING = "_get_next.<locals>.fill"  # of the former: an error number tells the C code what it raises
_STARTING_OR_ENDING = ("close", "_execute_child")
_RETRY_S = 0.02


class Interruptible:
    """While open, the first of `signals` (SIGINT, SIGTERM, SIGHUP) raises KeyboardInterrupt.

    It does so a moment later where Python finalizes an object, serves C code, takes a lock or starts a program. Later
    signals wait until the block has ended, so that they do not interrupt the undoing; after `no_more()` the first one
    waits too. A signal within a nested block counts for the outer one as well, which has something to undo, too. SIGHUP
    that is ignored, as by nohup(1), stays ignored.
    """

    def __init__(self, signals: Collection[signal.Signals] = SIGNALS) -> None:
        self._signals = signals
        self._before: dict[int, Any] = {}
        self._waiting = False
        self._heard = False
        self._seen_at: tuple[FrameType, int] | None = None  # where it could not raise, and has to try again

    def __enter__(self) -> Interruptible:
        if threading.current_thread() is threading.main_thread():
            for number in self._signals:
                if number.name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN:
                    continue
                self._before[number] = signal.signal(number, self._interrupt)
            if _HAS_TIMER:
                self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._retry)
        return self

    def no_more(self) -> None:
        """From now on signals wait until the block has ended."""
        for number in self._before:
            if number in self._signals:
                signal.signal(number, self._wait)
        if self._seen_at is not None:
            self._waiting, self._seen_at = True, None

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if self._seen_at is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._seen_at = None
        for number, handler in self._before.items():
            signal.signal(number, handler)
        outer = next((handler.__self__ for handler in self._before.values() if _is_interruptible(handler)), None)
        if outer is not None and (self._heard or self._waiting):
            outer._heard = True
            outer.no_more()
        if self._waiting or (self._heard and kind is None):  # the second one: the exception was dropped
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._heard = True
        self.no_more()
        self._raise(frame)

    def _retry(self, number: int, frame: FrameType | None) -> None:
        if self._seen_at is not None:
            self._raise(frame)

    def _raise(self, frame: FrameType | None) -> None:
        """Raises KeyboardInterrupt, now or as soon as it can be heard and leaves no lock behind."""
        if frame is not None and _HAS_TIMER and self._is_too_early(frame):
            self._seen_at = frame, frame.f_lasti
            signal.setitimer(signal.ITIMER_REAL, _RETRY_S)
            return
        self._seen_at = None
        raise KeyboardInterrupt

    def _is_too_early(self, frame: FrameType) -> bool:
        if _is_finalizing(frame) or _is_called_by_c(frame):
            return True
        return _is_delicate(frame) and not self._is_blocked(frame)

    def _is_blocked(self, frame: FrameType) -> bool:
        """Whether it stands where it stood: it waits for a lock, which it has not got, or for something slow."""
        return self._seen_at is not None and self._seen_at[0] is frame and self._seen_at[1] == frame.f_lasti

    def _wait(self, number: int, frame: FrameType | None) -> None:
        self._waiting = True


def _is_finalizing(frame: FrameType) -> bool:
    return any(each.f_code.co_name == "__del__" or _module(each) in _FINALIZING for each in _stack(frame))


def _is_called_by_c(frame: FrameType) -> bool:
    """Does what C code calls run here, and nothing in it that may raise?"""
    inner = next((each for each in _stack(frame) if _module(each) in _CALLED_BY_C), None)
    return inner is not None and inner.f_code.co_qualname != _CATCHING


def _is_delicate(frame: FrameType) -> bool:
    return any(each.f_code.co_name in _STARTING_OR_ENDING or _module(each) in _LOCKING for each in _stack(frame))


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    """The frame, the one that called it, and so on."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _is_interruptible(handler: Any) -> bool:
    return isinstance(getattr(handler, "__self__", None), Interruptible)
