"""What Ctrl-C and SIGTERM do while a command runs."""

from __future__ import annotations

import os
import signal
from _thread import start_new_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from capnet.errors import Exit
from capnet.interrupts import Interruptible

if TYPE_CHECKING:
    from threading import Event


def expect_stream() -> None:
    """From now on Ctrl-C ends a stream that is read ahead, as in the block of `interrupt_ends_stream`."""
    signal.signal(signal.SIGINT, _end_stream)


@contextmanager
def interrupt_ends_stream(is_stream: bool, until: Event | None) -> Iterator[None]:
    """Ctrl-C ends the reading of a stream, and the report of what was read follows. A second one ends capnet.

    In `tcpdump -w - | capnet analyze -` Ctrl-C reaches both programs. A growing file ends when `until` is set; there
    SIGTERM (of `timeout`, say) means the same as Ctrl-C, since no other program ends the file.
    """
    if not is_stream and until is None:
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM) if until else (signal.SIGINT,)

    def end_growing_file(*_: object) -> None:
        for number in signals:
            signal.signal(number, _end_process)
        if until:
            _set_beside(until)
        _tell_end()

    is_ending = signal.getsignal(signal.SIGINT) is _end_process  # Ctrl-C has come while capnet loaded
    with _handled(signals, _end_process if is_ending else end_growing_file if until else _end_stream):
        yield


def _end_stream(*_: object) -> None:
    signal.signal(signal.SIGINT, _end_process)
    _tell_end()


def _tell_end() -> None:
    """Not by click: the signal may have come while something else was being written."""
    os.write(2, b"capnet: reading what is left of the stream; Ctrl-C again stops that\n")


def _end_process(*_: object) -> None:
    """Not by an exception: the thread that reads the stream sits in read() and would be waited for.

    Nothing was written yet, so there is nothing to undo.
    """
    os.write(2, b"capnet: interrupted\n")
    os._exit(Exit.INTERRUPTED)


@contextmanager
def second_interrupt_undoes(is_stream: bool) -> Iterator[None]:
    """Ctrl-C ends the reading of a stream, and what was read is written. A second one undoes what was written.

    So do SIGTERM and a closed terminal, and Ctrl-C where nothing is a stream: no half file stays behind. For commands
    that write while they read: `interrupt_ends_stream` ends at the second one without undoing anything.
    """
    has_come = signal.getsignal(signal.SIGINT) is _end_process  # while capnet loaded
    with Interruptible():
        if is_stream and not has_come:
            undo = signal.getsignal(signal.SIGINT)

            def end_stream(*_: object) -> None:
                signal.signal(signal.SIGINT, undo)
                _tell_end()

            signal.signal(signal.SIGINT, end_stream)
        yield


@contextmanager
def signals_set(event: Event) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal set `event`; further ones change nothing, so that nothing is lost.

    SIGHUP that is ignored, as by nohup(1), stays ignored.
    """
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    with _handled(tuple(signals), lambda *_: _set_beside(event)):
        yield


def _set_beside(event: Event) -> None:
    """Sets an event from a thread of its own: the thread that a signal interrupts may hold the event's lock.

    It does so while it waits, for moments, and while it handles the signal before this one.
    """
    start_new_thread(event.set, ())


@contextmanager
def _handled(signals: tuple[signal.Signals, ...], handler: Callable[..., None]) -> Iterator[None]:
    """These signals call `handler`, and afterwards what they called before."""
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
