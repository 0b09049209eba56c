"""Captures at all points of a recording at once: starts the programs, waits until all listen, stops them without loss.

A program is ready when it has printed that it listens. It is stopped when its file no longer grows and the program
sleeps: packets wait in the kernel's ring buffer until the program's read timeout, and those still there when it ends
are lost. What was captured stays, however the block or a program ends; `CaptureProcess.failure` says what went wrong.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from capnet.errors import EnvironmentLacks, ScenarioFailed
from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.shell import Shell
from capnet.record.taps.capture_process import CaptureProcess
from capnet.record.taps.capture_program import BUFFER_MIB, Program, find_program
from capnet.record.taps.watch import Watch

Say = Callable[[str], None]

SNAPLEN = 262144  # bytes; the same at every point, or libpcap refuses the merged file

_READY_WITHIN = 60.0  # seconds; a dozen programs start side by side, in User-Mode Linux one after the other
_WAKE_UP = 0.05  # seconds beyond the read timeout after which a program with packets in its ring buffer does not sleep
_QUIET = 0.55  # seconds beyond the read timeout without a new byte in any file
_QUIET_WITHIN = 10.0  # seconds after which to stop anyway: other traffic goes on
_DRAINED_WITHIN = 3.0  # seconds for what is in the ring buffers, where traffic goes on
_MIN_BUFFER_MIB = 2  # dumpcap's own
_MAX_MEMORY_SHARE = 4  # the buffers of all points take at most one part in so many of the free memory


@contextlib.contextmanager
def listening(
    points: Sequence[CapturePoint],
    folder: Path,
    *,
    snaplen: int = SNAPLEN,
    buffer_mib: int = BUFFER_MIB,
    until_quiet: bool = True,
    say: Say = lambda line: None,
) -> Iterator[list[CaptureProcess]]:
    """Captures at all points while the block runs.

    The block begins when every program listens. When it ends well, the programs are stopped after their last packet is
    in their file; when it fails, or without `until_quiet`, after they have read what was in their buffers. Afterwards
    every file and its counters are complete. `say` is told in another thread of a program that ends by itself.
    """
    captures: list[CaptureProcess] = []
    watch = Watch(captures, folder, say)
    is_listening = is_quiet = False
    try:
        _start(captures, points, folder, snaplen, buffer_mib)
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


def _start(
    captures: list[CaptureProcess], points: Sequence[CapturePoint], folder: Path, snaplen: int, buffer_mib: int
) -> None:
    """Starts a program at each point and adds it to `captures`."""
    programs: dict[Shell, Program] = {}
    buffers: dict[Shell, int] = {}
    for number, point in enumerate(points):
        shell = point.shell
        if shell not in programs:
            programs[shell] = find_program(shell)
            buffers[shell] = affordable_mib(shell, sum(other.shell == shell for other in points), buffer_mib)
        captures.append(CaptureProcess.start(point, programs[shell], folder, number, snaplen, buffers[shell]))


def affordable_mib(shell: Shell, points: int, buffer_mib: int = BUFFER_MIB) -> int:
    """The buffer of each of `points`: as asked for, or less where the machine has little free memory."""
    try:
        memory = Path("/proc/meminfo").read_text() if shell.is_direct else shell.run(["cat", "/proc/meminfo"])
    except (OSError, EnvironmentLacks):
        return buffer_mib
    available = re.search(r"^MemAvailable:\s+(\d+) kB", memory, re.MULTILINE)
    if available is None:
        return buffer_mib
    affordable = int(available[1]) // 1024 // _MAX_MEMORY_SHARE // points
    return min(buffer_mib, max(affordable, _MIN_BUFFER_MIB))


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
        unwritten = capture.program.read_timeout + (_WAKE_UP if is_quiet else _QUIET)
        capture.ended_ns = None if until is None else max(until - int(unwritten * 1e9), capture.started_ns)


def _until_quiet(captures: Sequence[CaptureProcess], say: Say) -> bool:
    """Waits until no file has grown for a while; False if they still grow when it gives up."""
    timeout = _read_timeout(captures)
    deadline = time.monotonic() + timeout + _QUIET_WITHIN
    _let_go_on(captures, say)
    sizes, since, behind = _sizes(captures), time.monotonic(), list(captures)
    while (time.monotonic() - since < timeout + _QUIET or behind) and time.monotonic() < deadline:
        time.sleep(0.05)  # silence is a length of time
        if time.monotonic() - since > timeout + _WAKE_UP:
            behind = [capture for capture in behind if not capture.is_sleeping()]
        now = _sizes(captures)
        if now != sizes:
            sizes, since, behind = now, time.monotonic(), list(captures)
    return time.monotonic() - since >= timeout + _QUIET and not behind


def _until_drained(captures: Sequence[CaptureProcess], say: Say) -> None:
    """Waits until each program has slept once since the packets that are in its buffer now must have woken it."""
    timeout = _read_timeout(captures)
    begin = time.monotonic()
    _let_go_on(captures, say)
    behind = [capture for capture in captures if not capture.has_ended()]
    while behind and time.monotonic() - begin < timeout + _DRAINED_WITHIN:
        time.sleep(0.05)  # silence is a length of time
        if time.monotonic() - begin > timeout + _WAKE_UP:
            behind = [capture for capture in behind if not capture.is_sleeping()]


def _let_go_on(captures: Sequence[CaptureProcess], say: Say) -> None:
    """What has been stopped (SIGSTOP) must go on to read what waits for it."""
    for capture in captures:
        if capture.let_go_on():
            say(f"{capture.program.name} at {capture.point.name} had been stopped and goes on now")


def _read_timeout(captures: Sequence[CaptureProcess]) -> float:
    return max((capture.program.read_timeout for capture in captures), default=0.0)


def _sizes(captures: Sequence[CaptureProcess]) -> list[int]:
    return [capture.size() for capture in captures]
