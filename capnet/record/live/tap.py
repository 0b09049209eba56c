"""One capture point while it is captured: its program, what the program wrote, and why it ended, if it has."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from pathlib import Path

from capnet.errors import EnvironmentLacks
from capnet.record.live.blocks import PointCounts
from capnet.record.live.tap_reader import TapReader, wire_length_of
from capnet.record.taps.capture_process import CaptureProcess

# What the programs print when nothing is wrong.
_USUAL = re.compile(
    r"Capturing on |File: |Packets? (captured|received)|"
    r"tcpdump: (verbose|listening)|\d+ packets? (captured|received|drop)"
)
_GONE = re.compile(r"disappeared|no longer (running|attached)|no such device|went down|network is down", re.IGNORECASE)
_DELAY_S = 0.15  # from the end of a program's read timeout until its packets are in its file
_STOP_WITHIN_S = 5.0  # a program that has not ended by then is told by a signal


class Tap:
    """A capture program at a point. `ended` is why it ended by itself, None as long as it has not."""

    def __init__(self, process: CaptureProcess, number: int) -> None:
        self.point = process.point
        self.process = process
        self.reader = TapReader(process.path, number)
        self.ended: str | None = None
        self.ended_ns: int | None = None
        self.is_listening = False
        self._counted: tuple[int, int] | None = None  # packets and bytes, where not all are written

    def count(self, block: bytes) -> None:
        """Counts a packet that is written: from the first one on, only these count."""
        packets, size = self._counted or (0, 0)
        self._counted = packets + 1, size + wire_length_of(block)

    @property
    def packets(self) -> int:
        """Packets of this point."""
        return self._counted[0] if self._counted else self.reader.packets

    @property
    def wire_bytes(self) -> int:
        """Their bytes on the wire."""
        return self._counted[1] if self._counted else self.reader.wire_bytes

    def look(self) -> bool:
        """Looks whether it has begun to listen, or has ended; true if it has ended since the last look."""
        if self.ended is not None:
            return False
        if self.process.process.poll() is not None:
            self._has_ended()
            return True
        if not self.is_listening:
            with contextlib.suppress(EnvironmentLacks):  # it ends just now
                self.is_listening = self.process.is_listening()
        if self.reader.problem:
            self.process.request_stop()
            self._has_ended(self.reader.problem)
            return True
        return False

    @property
    def delay_s(self) -> float:
        """How long after its time a packet is in the program's file at the latest."""
        return self.process.program.read_timeout + _DELAY_S

    def wait(self) -> None:
        """Waits until the program, which was told to stop, has ended, and reads its counters."""
        try:
            self.process.process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(PermissionError):  # behind sudo it is root's
                self.process.process.terminate()
        self.process.wait()

    @property
    def counts(self) -> PointCounts:
        """Its counters; those of the kernel once the program has ended."""
        process = self.process
        started_ns = process.started_ns  # seen to listen, which it may have done before
        if started_ns is not None and self.reader.oldest_ns is not None:
            started_ns = min(started_ns, self.reader.oldest_ns)
        return PointCounts(
            started_ns,
            self.ended_ns or process.ended_ns,
            process.received,
            process.dropped if not self.reader.left_out else (process.dropped or 0) + self.reader.left_out,
            process.interface_dropped,
        )

    @property
    def dropped(self) -> int | None:
        """Packets for which the kernel's buffer had no room; None while nothing says it: dumpcap does when it ends."""
        process = self.process
        return process.drops_so_far() if process.dropped is None and self.ended is None else process.dropped

    def _has_ended(self, reason: str | None = None) -> None:
        self.wait()
        self.ended = reason or self._why()
        # What the kernel still held is lost.
        self.ended_ns = max(self.reader.newest_ns, time.time_ns() - int(self.delay_s * 1e9))

    def _why(self) -> str:
        program, status = self.process.program.name, self.process.process.returncode
        lines = self.process.messages.read_text(encoding="utf-8", errors="replace").splitlines()
        words = [line.strip() for line in lines if line.strip() and not _USUAL.search(line)]
        words = [line.removeprefix(f"{program}: ") for line in words]
        if any(_GONE.search(line) for line in words):
            point = self.point
            if point.shell.is_direct and point.container and not Path(point.netns).exists():  # that of its process
                return f"container {point.container} has stopped"
            return f"{point.interface} is gone, or was set down"
        if words:
            return f"{program}: {words[0]}"
        # Behind sh, sudo or ssh a signal is 128 and its number.
        signal = -status if status < 0 else status - 128
        how = f"was ended by signal {signal}" if 0 < signal < 65 else f"ended, exit status {status}"
        return f"{program} {how}"
