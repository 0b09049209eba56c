"""One capture program at one capture point, from its start to its file and counters."""

from __future__ import annotations

import contextlib
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from capnet.errors import EnvironmentLacks
from capnet.record.find.capture_points import CapturePoint
from capnet.record.taps.capture_program import Program

_STOP_WITHIN = 60.0  # seconds; a program that has not ended by then is killed


@dataclass
class CaptureProcess:
    """A running (later: finished) capture program; `path` holds its packets, with times in nanoseconds."""

    point: CapturePoint
    program: Program
    path: Path
    messages: Path
    process: subprocess.Popen[bytes]
    started_ns: int | None = None  # by the clock of its machine: it has listened since then, or earlier
    ended_ns: int | None = None  # it listened until then, or longer
    received: int | None = None
    dropped: int | None = None
    interface_dropped: int | None = None

    @classmethod
    def start(cls, point: CapturePoint, program: Program, folder: Path, number: int, snaplen: int) -> CaptureProcess:
        """Starts the program; its packets and messages go to files in `folder` that begin with `number`."""
        path, messages = folder / f"{number:02}.capture", folder / f"{number:02}.messages"
        with path.open("wb") as stdout, messages.open("wb") as stderr:
            process = point.shell.start(
                program.command(point, snaplen), netns=point.netns, stdout=stdout, stderr=stderr
            )
        return cls(point, program, path, messages, process)

    def is_listening(self) -> bool:
        """Whether it captures already. EnvironmentLacks with the program's own words if it ended instead."""
        if self.process.poll() is not None:
            raise EnvironmentLacks(f"{self.program.name} cannot listen at {self.point.name}: {self.last_words()}")
        return re.search(self.program.listens, self._messages(), re.MULTILINE) is not None

    def request_stop(self) -> None:
        """Tells the program to stop. Does not wait."""
        if self.process.stdin and not self.process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()

    def wait(self) -> None:
        """Waits until the program has ended and reads its counters."""
        try:
            self.process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if counts := re.search(self.program.counts, self._messages()):
            self.received, self.dropped = int(counts["received"]), int(counts["dropped"])
            self.interface_dropped = int(counts["interface_dropped"]) if counts["interface_dropped"] else None

    def size(self) -> int:
        """Bytes in its file."""
        return self.path.stat().st_size

    def is_sleeping(self) -> bool:
        """Whether it waits for packets. Behind ssh or sudo it is ssh or sudo whose state is seen."""
        try:
            return Path(f"/proc/{self.process.pid}/stat").read_bytes().rpartition(b") ")[2][:1] == b"S"
        except OSError:  # not Linux: the program is elsewhere
            return True

    def _messages(self) -> str:
        return self.messages.read_text(encoding="utf-8", errors="replace")

    def last_words(self) -> str:
        """The last line that it printed, else its exit status."""
        lines = [line for line in self._messages().splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit status {self.process.returncode}"
