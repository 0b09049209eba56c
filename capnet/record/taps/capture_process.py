"""One capture program at one capture point, from its start to its file and counters."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from capnet.errors import EnvironmentLacks
from capnet.quick_tuple import NamedTuple
from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.shell import wait_or_kill
from capnet.record.taps.capture_program import BUFFER_MIB, LOOPBACK, CaptureProgram
from capnet.record.taps.file_counters import FileCounters, FileTotals

_STOP_WITHIN = 60.0  # seconds; a program that has not ended by then is killed
_USUAL_END = re.compile(r"Packets received/dropped|\d+ packets? (captured|received|dropped)")
_DIRECTION = re.compile(r"\b(in|out)bound\b")  # of pcap-filter(7)
_TAIL = 4096  # bytes of its messages in which its latest answer is looked for


class Counters(NamedTuple):
    """What a capture has by now: packets in its file, their bytes on the wire, and packets that the kernel dropped.

    `drops` is None while that is not known: only tcpdump, run by root on this machine, tells it before it ends.
    """

    packets: int
    bytes: int
    drops: int | None


@dataclass
class CaptureProcess:
    """A running (later: finished) capture program; `path` holds its packets, with times in nanoseconds."""

    point: CapturePoint
    program: CaptureProgram
    path: Path
    messages: Path
    process: subprocess.Popen[bytes]
    started_ns: int | None = None  # by the clock of its machine: it has listened since then, or earlier
    ended_ns: int | None = None  # it listened until then, or longer
    received: int | None = None
    dropped: int | None = None
    interface_dropped: int | None = None
    failure: str | None = None  # why it did not capture until it was told to stop, when finished
    last_alive_ns: int | None = None  # when it was last seen to run, by this machine's clock
    lacks_space: bool = False  # its failure is a full disk
    _told_to_stop: bool = False
    _file: FileCounters | None = field(default=None, repr=False)
    _final: FileTotals | None = None

    @classmethod
    def start(
        cls,
        point: CapturePoint,
        program: CaptureProgram,
        folder: Path,
        number: int,
        snaplen: int,
        buffer_mib: int = BUFFER_MIB,
    ) -> CaptureProcess:
        """Starts the program; its packets and messages go to files in `folder` that begin with `number`."""
        path, messages = folder / f"{number:02}.capture", folder / f"{number:02}.messages"
        with path.open("wb") as stdout, messages.open("wb") as stderr:
            process = point.shell.start(
                program.command(point, snaplen, buffer_mib), netns=point.netns, stdout=stdout, stderr=stderr
            )
        return cls(point, program, path, messages, process)

    def is_listening(self) -> bool:
        """Whether it captures already. EnvironmentLacks with the program's own words if it ended instead."""
        if self.process.poll() is not None:
            raise EnvironmentLacks(f"{self.program.name} cannot capture at {self.point.name}: {self.last_words()}")
        return re.search(self.program.listens, self._messages(), re.MULTILINE) is not None

    def counters(self) -> Counters:
        """What it has captured by now. Each call reads on in its file where the one before ended."""
        if self.process.returncode is not None:
            return self._final_counters()
        self._file = self._file or FileCounters(self.path)
        return Counters(*self._file.totals(), self.drops_so_far() if self.dropped is None else self.dropped)

    def request_stop(self) -> None:
        """Tells the program to stop. Does not wait."""
        self._told_to_stop = self._told_to_stop or self.process.poll() is None
        self.let_go_on()
        if self.process.stdin and not self.process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()

    def wait(self) -> None:
        """Waits until the program has ended, reads its counters, and notes its failure if it had one."""
        is_killed = not wait_or_kill(self.process, _STOP_WITHIN)
        if counts := re.search(self.program.counts, self._messages()):
            self.received, self.dropped = int(counts["received"]), self._once(counts["dropped"])
            if self.program.has_kernel_received:
                self.received = self._once(counts["received"])
            self.interface_dropped = int(counts["interface_dropped"]) if counts["interface_dropped"] else None
        if is_killed:
            self.failure = f"did not end within {_STOP_WITHIN:.0f} s and was killed"
        elif not self._told_to_stop or self.received is None:
            self.failure = f"ended early{self._when()}: {self.how_it_ended()}"

    def failure_sentence(self) -> str | None:
        """What went wrong at which point, and how much is kept; None if nothing did. For a finished program."""
        if self.failure is None:
            return None
        packets = self.counters().packets
        kept = f"{packets:,} packet{'s' * (packets != 1)} of it {'are' if packets != 1 else 'is'} kept"
        return f"{self.program.name} at {self.point.name} {self.failure}; {kept}"

    def size(self) -> int:
        """Bytes in its file."""
        return self.path.stat().st_size

    def has_ended(self) -> bool:
        """Whether the program runs no more."""
        return self.process.poll() is not None

    def is_sleeping(self) -> bool:
        """Whether it waits for packets, or has ended. Behind ssh or sudo it is ssh or sudo whose state is seen."""
        return self.has_ended() or self._state() in (b"S", None)

    def let_go_on(self) -> bool:
        """Continues the program if something has stopped it (SIGSTOP); whether it had."""
        if self.has_ended() or self._state() not in (b"T", b"t"):
            return False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self.process.pid, signal.SIGCONT)
        return True

    def last_words(self) -> str:
        """The last line that it printed, else its exit status."""
        lines = [line for line in self._messages().splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit status {self.process.returncode}"

    def _final_counters(self) -> Counters:
        if self._final is None:
            self._file = self._file or FileCounters(self.path)
            self._final = self._file.totals()
            self._file.close()
        return Counters(*self._final, self.dropped)

    def _state(self) -> bytes | None:
        """The state of the process, as proc_pid_stat(5) has it; None where there is no /proc."""
        try:
            return Path(f"/proc/{self.process.pid}/stat").read_bytes().rpartition(b") ")[2][:1]
        except OSError:
            return None

    def how_it_ended(self) -> str:
        """The signal that killed it, else its last words but for those with which it ends when it is told to."""
        code = self.process.returncode
        if code == 0 and _USUAL_END.match(self.last_words()):
            return "another program told it to end"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else self.last_words()

    def drops_so_far(self) -> int | None:
        """Packets that the kernel had dropped when it was last asked; asks again, for the next call.

        None where nothing says it.
        """
        if self.program.drops is None or self._command() != self.program.name:
            return None  # sh and sudo, which are there at first and in between, would be ended by the signal
        with self.messages.open("rb") as file:
            file.seek(max(self.messages.stat().st_size - _TAIL, 0))
            answers = re.findall(self.program.drops, file.read().decode(errors="replace"))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self.process.pid, signal.SIGUSR1)
        return self._once(answers[-1]) if answers else None

    def _once(self, number: str) -> int:
        """A number of packets. At loopback the kernel counts each on its way out and in, and libpcap passes on one.

        A filter by direction lets it count one only.
        """
        is_counted_twice = self.point.interface == LOOPBACK and not _DIRECTION.search(self.point.capture_filter)
        return (int(number) + 1) // 2 if is_counted_twice else int(number)

    def _when(self) -> str:
        """` at 12:00:00` by this machine's clock, when it was last seen to run; empty if that is not known."""
        if self.last_alive_ns is None:
            return ""
        return time.strftime(" at %H:%M:%S", time.localtime(self.last_alive_ns // 1_000_000_000))

    def _command(self) -> str:
        try:
            return Path(f"/proc/{self.process.pid}/comm").read_text().strip()
        except OSError:
            return ""

    def _messages(self) -> str:
        try:
            return self.messages.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:  # removed by a clean-up of /tmp: what was captured is worth more
            return ""
