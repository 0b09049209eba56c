"""One capture program at one point, and all of them together.

A tap is ready when its program has said that it listens, and is stopped when its file has stopped growing and the
program waits for more: packets wait in the kernel's ring buffer for up to a quarter of a second before the program is
woken, then until it gets a processor, and those still there when it ends are lost.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from capnet.errors import EnvironmentLacks, ScenarioFailed
from capnet.record.places import Point
from capnet.record.shell import Shell

SNAPLEN = 262144  # bytes; the same at every point, or libpcap refuses the merged file

_READY_WITHIN = 60.0  # seconds; a dozen programs begin side by side, in User-Mode Linux one after the other
_QUIET = 0.8  # seconds without a new byte in any file: longer than any read timeout
_WOKEN = 0.3  # seconds after which a program with packets in its ring buffer does not sleep
_QUIET_WITHIN = 10.0  # give up waiting for quiet: somebody else is talking
_STOP_WITHIN = 60.0


@dataclass(frozen=True)
class Program:
    """A capture program: how it is called, and what it says on stderr when it listens and when it ends."""

    name: str
    options: tuple[str, ...]
    listens: str
    counts: str  # regular expression with groups `received` and `dropped`

    def command(self, point: Point, snaplen: int) -> list[str]:
        capture_filter = [point.capture_filter] if point.capture_filter else []
        if self.name == "dumpcap" and capture_filter:
            capture_filter = ["-f", *capture_filter]
        return [self.name, *self.options, "-i", point.interface, "-s", str(snaplen), "-w", "-", *capture_filter]


# dumpcap writes nanoseconds in pcapng only, so that is what it writes; it prints `File:` when the device is open
# and the filter set (`Capturing on` comes before that). tcpdump writes pcap.
PROGRAMS = (
    Program(
        "dumpcap",
        ("-q",),
        listens=r"^File: ",
        counts=r"received/dropped on interface .*: (?P<received>\d+)/(?P<dropped>\d+)",
    ),
    Program(
        "tcpdump",
        ("-n", "-U", "--immediate-mode", "--time-stamp-precision=nano"),
        listens=r"listening on ",
        counts=r"(?P<received>\d+) packets? captured[\s\S]*?(?P<dropped>\d+) packets? dropped by kernel",
    ),
)


@dataclass
class Tap:
    """A running (later: finished) capture; `path` holds what it heard, times in nanoseconds."""

    point: Point
    program: Program
    path: Path
    messages: Path
    process: subprocess.Popen[bytes]
    started_ns: int
    ended_ns: int = 0
    received: int | None = None
    dropped: int | None = None

    @classmethod
    def start(cls, point: Point, program: Program, folder: Path, number: int, snaplen: int) -> Tap:
        path, messages = folder / f"{number:02}.capture", folder / f"{number:02}.messages"
        with path.open("wb") as stdout, messages.open("wb") as stderr:
            process = point.shell.start(
                program.command(point, snaplen), netns=point.netns, stdout=stdout, stderr=stderr
            )
        return cls(point, program, path, messages, process, started_ns=time.time_ns())

    def listens(self) -> bool:
        """EnvironmentLacks with the program's own words if it ended instead."""
        if self.process.poll() is not None:
            raise EnvironmentLacks(f"{self.program.name} cannot listen at {self.point.name}: {self._last_words()}")
        return re.search(self.program.listens, self._said(), re.MULTILINE) is not None

    def release(self) -> None:
        """Tells the program to stop. Does not wait."""
        if self.process.stdin and not self.process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()

    def join(self) -> None:
        """Waits until the program has ended and reads its counters."""
        try:
            self.process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.ended_ns = time.time_ns()
        if counts := re.search(self.program.counts, self._said()):
            self.received, self.dropped = int(counts["received"]), int(counts["dropped"])

    def size(self) -> int:
        return self.path.stat().st_size

    def sleeps(self) -> bool:
        """Whether it waits for packets; of a program behind ssh or sudo one sees only that these wait."""
        try:
            return Path(f"/proc/{self.process.pid}/stat").read_bytes().rpartition(b") ")[2][:1] == b"S"
        except OSError:  # not Linux: the program is elsewhere
            return True

    def _said(self) -> str:
        return self.messages.read_text(encoding="utf-8", errors="replace")

    def _last_words(self) -> str:
        lines = [line for line in self._said().splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit status {self.process.returncode}"


@contextlib.contextmanager
def listening(points: Sequence[Point], folder: Path, *, snaplen: int = SNAPLEN) -> Iterator[list[Tap]]:
    """Listens at all points while the block runs.

    The block begins when every tap listens. When it ends well, the taps are stopped after their last packet is
    in; when it fails, they are stopped at once. Afterwards each tap's file and counters are complete.
    """
    taps: list[Tap] = []
    programs: dict[Shell, Program] = {}
    try:
        for number, point in enumerate(points):
            if point.shell not in programs:
                programs[point.shell] = find_program(point.shell)
            taps.append(Tap.start(point, programs[point.shell], folder, number, snaplen))
        _until_all_listen(taps)
        yield taps
        _until_quiet(taps)
    finally:
        for tap in taps:
            tap.release()
        for tap in taps:
            tap.join()
    for tap in taps:
        if tap.received is None:
            raise ScenarioFailed(f"{tap.program.name} at {tap.point.name} ended early: {tap._last_words()}")


def find_program(shell: Shell) -> Program:
    """The best capture program on the shell's machine. EnvironmentLacks if there is none."""
    for program in PROGRAMS:
        with contextlib.suppress(EnvironmentLacks):
            shell.run([program.name, "--version"])
            return program
    where = f" on {shell.ssh[-1]}" if shell.ssh else ""
    raise EnvironmentLacks(f"no capture program{where}: install tcpdump, or wireshark's dumpcap")


def _until_all_listen(taps: Sequence[Tap]) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    waiting = list(taps)
    while waiting := [tap for tap in waiting if not tap.listens()]:
        if time.monotonic() > deadline:
            tap = waiting[0]
            raise EnvironmentLacks(
                f"{tap.program.name} at {tap.point.name} did not begin to listen within {_READY_WITHIN:.0f} s: "
                f"{tap._last_words()}"
            )
        time.sleep(0.02)  # they say it in files, which are looked into again


def _until_quiet(taps: Sequence[Tap]) -> None:
    deadline = time.monotonic() + _QUIET_WITHIN
    sizes, since, behind = [tap.size() for tap in taps], time.monotonic(), list(taps)
    while (time.monotonic() - since < _QUIET or behind) and time.monotonic() < deadline:
        time.sleep(0.05)  # silence is what is waited for, and nothing tells of that but time
        if time.monotonic() - since > _WOKEN:
            behind = [tap for tap in behind if not tap.sleeps()]
        now = [tap.size() for tap in taps]
        if now != sizes:
            sizes, since, behind = now, time.monotonic(), list(taps)
