"""Captures at all points of a scenario at once: starts the programs, waits until all listen, stops them without loss.

A program is ready when it has printed that it listens. It is stopped when its file no longer grows and the program
sleeps: packets wait in the kernel's ring buffer for up to a quarter of a second before the program is woken, and those
still there when it ends are lost.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from capnet.errors import EnvironmentLacks, ScenarioFailed
from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.shell import Shell
from capnet.record.taps.capture_process import CaptureProcess
from capnet.record.taps.capture_program import Program, find_program

SNAPLEN = 262144  # bytes; the same at every point, or libpcap refuses the merged file

_READY_WITHIN = 60.0  # seconds; a dozen programs start side by side, in User-Mode Linux one after the other
_QUIET = 0.8  # seconds without a new byte in any file: longer than any read timeout
_WAKE_UP = 0.3  # seconds after which a program with packets in its ring buffer does not sleep
_QUIET_WITHIN = 10.0  # seconds after which to stop anyway: other traffic goes on


@contextlib.contextmanager
def listening(
    points: Sequence[CapturePoint], folder: Path, *, snaplen: int = SNAPLEN
) -> Iterator[list[CaptureProcess]]:
    """Captures at all points while the block runs.

    The block begins when every program listens. When it ends well, the programs are stopped after their last packet is
    in their file; when it fails, at once. Afterwards every file and its counters are complete.
    """
    captures: list[CaptureProcess] = []
    programs: dict[Shell, Program] = {}
    unwritten = _QUIET
    try:
        for number, point in enumerate(points):
            if point.shell not in programs:
                programs[point.shell] = find_program(point.shell)
            captures.append(CaptureProcess.start(point, programs[point.shell], folder, number, snaplen))
        _until_all_listen(captures)
        _note_start(captures)
        yield captures
        unwritten = _WAKE_UP if _until_quiet(captures) else _QUIET
    finally:
        _note_end(captures, unwritten)
        for capture in captures:
            capture.request_stop()
        for capture in captures:
            capture.wait()
    for capture in captures:
        if capture.received is None:
            raise ScenarioFailed(f"{capture.program.name} at {capture.point.name} ended early: {capture.last_words()}")


def _until_all_listen(captures: Sequence[CaptureProcess]) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    waiting = list(captures)
    while waiting := [capture for capture in waiting if not capture.is_listening()]:
        if time.monotonic() > deadline:
            capture = waiting[0]
            raise EnvironmentLacks(
                f"{capture.program.name} at {capture.point.name} did not begin to listen within {_READY_WITHIN:.0f} s: "
                f"{capture.last_words()}"
            )
        time.sleep(0.02)  # programs say it in a file, which can only be polled


def _note_start(captures: Sequence[CaptureProcess]) -> None:
    """All listen by now: note the time by the clock of each machine, which is the clock of its packets."""
    now = {shell: shell.clock_ns() for shell in {capture.point.shell for capture in captures}}
    for capture in captures:
        capture.started_ns = now[capture.point.shell]


def _note_end(captures: Sequence[CaptureProcess], unwritten: float) -> None:
    """All still listen: note the time, as above, less the last seconds, whose packets may be in no file yet.

    A machine that cannot be asked has not said when it stopped.
    """
    now: dict[Shell, int | None] = {}
    for capture in captures:
        shell = capture.point.shell
        if capture.started_ns is not None and shell not in now:
            now[shell] = None
            with contextlib.suppress(EnvironmentLacks):
                clock_ns = shell.clock_ns()
                now[shell] = None if clock_ns is None else clock_ns - int(unwritten * 1e9)
        capture.ended_ns = now.get(shell)


def _until_quiet(captures: Sequence[CaptureProcess]) -> bool:
    """Waits until no file has grown for a while; False if they still grow when it gives up."""
    deadline = time.monotonic() + _QUIET_WITHIN
    sizes, since, behind = [capture.size() for capture in captures], time.monotonic(), list(captures)
    while (time.monotonic() - since < _QUIET or behind) and time.monotonic() < deadline:
        time.sleep(0.05)  # silence is a length of time
        if time.monotonic() - since > _WAKE_UP:
            behind = [capture for capture in behind if not capture.is_sleeping()]
        now = [capture.size() for capture in captures]
        if now != sizes:
            sizes, since, behind = now, time.monotonic(), list(captures)
    return time.monotonic() - since >= _QUIET and not behind
