"""Captures at all points of a recording at once: starts the programs, waits until all listen, stops them without loss.

A program is ready when it has printed that it listens. It is stopped when its file no longer grows and the program
sleeps: packets wait in the kernel's ring buffer until the program's read timeout, and those still there when it ends
are lost. What was captured stays, however the block or a program ends; `CaptureProcess.failure` says what went wrong.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from capnet.errors import EnvironmentLacks, ScenarioFailed
from capnet.record.find.capture_points import CapturePoint
from capnet.record.polling import poll_until
from capnet.record.remote.shell import Shell
from capnet.record.taps.capture_process import CaptureProcess
from capnet.record.taps.capture_program import BUFFER_MIB, SNAPLEN, find_program
from capnet.record.taps.drain import WAKE_UP_S, Drain, let_go_on, read_timeout, still_reading
from capnet.record.taps.start import READY_WITHIN_S, FindProgram, start_captures
from capnet.record.taps.watch import Watch

Say = Callable[[str], None]

_QUIET = 0.55  # seconds beyond the read timeout without a new byte in any file
_QUIET_WITHIN = 10.0  # seconds after which to stop anyway: other traffic goes on


@contextlib.contextmanager
def listening(
    points: Sequence[CapturePoint],
    folder: Path,
    *,
    snaplen: int = SNAPLEN,
    buffer_mib: int = BUFFER_MIB,
    until_quiet: bool = True,
    find: FindProgram = find_program,
    say: Say = lambda line: None,
) -> Iterator[list[CaptureProcess]]:
    """Captures at all points while the block runs.

    The block begins when every program listens. When it ends well, the programs are stopped after their last packet is
    in their file; when it fails, or without `until_quiet`, after they have read what was in their buffers. Afterwards
    every file and its counters are complete. `find` chooses the program of a machine; `say` is told in another thread
    of a program that ends by itself.
    """
    captures: list[CaptureProcess] = []
    watch = Watch(captures, folder, say)
    is_listening = is_quiet = False
    try:
        for capture in start_captures(points, folder, snaplen, buffer_mib, find):
            captures.append(capture)
        _until_all_listen(captures)
        _note_start(captures)
        is_listening = True
        watch.start()
        yield captures
        is_quiet = until_quiet and _until_quiet(captures, say)
    finally:
        if is_listening and not is_quiet:
            _until_drained(captures, say)
        _note_end(captures, is_quiet)
        for capture in captures:
            capture.request_stop()
        watch.stop()
        for capture in captures:
            capture.wait()
        watch.note_full_disk()


def failures(captures: Sequence[CaptureProcess]) -> list[str]:
    """A sentence for each finished program that did not capture to the end."""
    return [sentence for capture in captures if (sentence := capture.failure_sentence())]


def check_complete(captures: Sequence[CaptureProcess]) -> None:
    """Raises ScenarioFailed, or EnvironmentLacks for a full disk, if a finished program did not capture to the end."""
    if sentences := failures(captures):
        kind = EnvironmentLacks if any(capture.lacks_space for capture in captures) else ScenarioFailed
        raise kind("; ".join(sentences))


def _until_all_listen(captures: Sequence[CaptureProcess]) -> None:
    waiting = list(captures)

    def all_listen() -> bool:
        waiting[:] = [capture for capture in waiting if not capture.is_listening()]
        return not waiting

    if not poll_until(all_listen, READY_WITHIN_S):
        capture = waiting[0]
        raise EnvironmentLacks(
            f"{capture.program.name} at {capture.point.name} did not begin to capture within "
            f"{READY_WITHIN_S:.0f} s: {capture.last_words()}"
        )


def _note_start(captures: Sequence[CaptureProcess]) -> None:
    """All listen by now: note the time by the clock of each machine, which is the clock of its packets."""
    now = {shell: shell.clock_ns() for shell in {capture.point.shell for capture in captures}}
    for capture in captures:
        capture.started_ns = now[capture.point.shell]
        capture.last_alive_ns = time.time_ns()


def _note_end(captures: Sequence[CaptureProcess], is_quiet: bool) -> None:
    """Note the time, as above, less the last seconds, whose packets may be in no file yet.

    One that has ended by itself listened until it was last seen to run. A machine that cannot be asked has not said
    when it stopped.
    """
    now: dict[Shell, int | None] = {}
    for capture in captures:
        shell = capture.point.shell
        if capture.started_ns is None:
            continue
        if shell not in now:
            now[shell] = None
            with contextlib.suppress(EnvironmentLacks):
                now[shell] = shell.clock_ns()
        until = now[shell]
        if capture.has_ended():
            until = capture.last_alive_ns if shell.is_direct else None
        unwritten = capture.program.read_timeout + (WAKE_UP_S if is_quiet else _QUIET)
        capture.ended_ns = None if until is None else max(until - int(unwritten * 1e9), capture.started_ns)


def _until_quiet(captures: Sequence[CaptureProcess], say: Say) -> bool:
    """Waits until no file has grown for a while; False if they still grow when it gives up."""
    timeout = read_timeout(captures)
    deadline = time.monotonic() + timeout + _QUIET_WITHIN
    let_go_on(captures, say)
    sizes, since, behind = _sizes(captures), time.monotonic(), list(captures)
    while (time.monotonic() - since < timeout + _QUIET or behind) and time.monotonic() < deadline:
        time.sleep(0.05)  # silence is a length of time
        if time.monotonic() - since > timeout + WAKE_UP_S:
            behind = still_reading(behind)
        now = _sizes(captures)
        if now != sizes:
            sizes, since, behind = now, time.monotonic(), list(captures)
    return time.monotonic() - since >= timeout + _QUIET and not behind


def _until_drained(captures: Sequence[CaptureProcess], say: Say) -> None:
    """Waits until each program has slept once since the packets that are in its buffer now must have woken it."""
    let_go_on(captures, say)
    drain = Drain(captures)
    while not drain.is_over():
        drain.pause()


def _sizes(captures: Sequence[CaptureProcess]) -> list[int]:
    return [capture.size() for capture in captures]
