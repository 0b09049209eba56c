"""A capture from its first packet to its last: programs at all points, merged into one output while they run.

Each program writes a file of its own, in a private folder, so that nothing that happens to the output makes a
program wait and lose packets. What ends early ends its own point. `LiveCapture.run` returns when it is told to stop,
has what was asked for, or nothing is left that captures; `finish` brings all that was captured into the output.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

from capnet.errors import EnvironmentLacks, UsageError
from capnet.record.find.capture_points import CapturePoint
from capnet.record.live.blocks import PointCounts
from capnet.record.live.joining import Joining
from capnet.record.live.merge import LiveMerge
from capnet.record.live.outputs.output import Output
from capnet.record.live.tap import Tap
from capnet.record.live.tap_reader import interface_of
from capnet.record.polling import poll_until
from capnet.record.remote.shell import Shell
from capnet.record.taps.capture_program import BUFFER_MIB, SNAPLEN
from capnet.record.taps.drain import Drain, let_go_on
from capnet.record.taps.start import READY_WITHIN_S, start_captures
from capnet.record.taps.watch import is_full
from capnet.wire.formats.pcapng_writer import statistics
from capnet.wire.numbers import LINKTYPE_ETHERNET

_FILTER_ERROR = re.compile(r"capture filter|syntax error|expression|unknown host", re.IGNORECASE)

_HEADER_WITHIN_S = 2.0
_TICK_S = 0.1  # how often the output grows
_MAX_SKEW_NS = 10_000_000_000  # clocks that differ by more are not waited for: their packets come out of order


@dataclass(frozen=True)
class Limits:
    """When a capture ends by itself: after so many packets of all points together, or so many seconds."""

    packets: int | None = None
    seconds: float | None = None


@dataclass
class LiveCapture:
    """Captures at `points`; files of the programs go to `folder`. `say` is given what ends early, in one line."""

    points: Sequence[CapturePoint]
    folder: Path
    say: Callable[[str], None]
    snaplen: int = SNAPLEN
    limits: Limits = field(default_factory=Limits)
    stop: Event = field(default_factory=Event)  # set it to end the capture
    buffer_mib: int = BUFFER_MIB  # of the kernel, for each point
    joining: Joining | None = None  # points that may come later
    note: Callable[[str], None] = lambda line: None  # is given what joins, in one line
    left: Callable[[CapturePoint], None] = lambda point: None  # is told which point has ended by itself
    max_unread: int | None = None  # bytes of the programs' files that may wait; None: nothing is left out
    taps: list[Tap] = field(default_factory=list)
    written: int = 0  # packets in the output
    lacked_space: bool = False  # in the file system of `folder`, for a moment at least: packets are lost
    began_ns: int = 0
    _clocks: dict[Shell, int | None] = field(default_factory=dict)  # how far a machine's clock is ahead of ours, in ns
    _merge: LiveMerge | None = None
    _last_ns: int = 0  # time of the last packet in the output

    def open(self) -> None:
        """Starts the programs; returns when all that can listen do. EnvironmentLacks if none can.

        Points where none can are told and left out.
        """
        for process in start_captures(self.points, self.folder, self.snaplen, self.buffer_mib):
            self.taps.append(Tap(process, len(self.taps)))
        if not poll_until(lambda: not self._starting(), READY_WITHIN_S, self.stop) and not self.stop.is_set():
            tap = self._starting()[0]
            raise EnvironmentLacks(f"{tap.point.name}: {tap.process.program.name} does not begin to capture")
        if self.taps and all(tap.ended for tap in self.taps):
            reason = self.taps[0].ended
            error = UsageError if reason and _FILTER_ERROR.search(reason) else EnvironmentLacks
            raise error(f"{self.taps[0].point.name} cannot be captured: {reason}")
        for tap in self.taps:
            if tap.ended:
                self.say(f"{tap.point.name} is left out: {tap.ended}")
                tap.reader.close()
        self.taps = [tap for tap in self.taps if not tap.ended]
        for number, tap in enumerate(self.taps):
            tap.reader.interface = number
        self._note_start()

    def run(self, output: Output, show: Callable[[LiveCapture], None]) -> None:
        """Captures into `output` until it is to end; `finish` must follow. `show` is called some ten times a second."""
        try:
            self._run(output, show)
        finally:
            if self.joining:
                self.joining.close()

    def _run(self, output: Output, show: Callable[[LiveCapture], None]) -> None:
        delay_s = max(tap.delay_s for tap in self.taps)
        merge = self._merge = LiveMerge([tap.reader for tap in self.taps], delay_s, self._skew_ns(), self.max_unread)
        ends = None if self.limits.seconds is None else time.monotonic() + self.limits.seconds
        while not self.stop.is_set() and output.is_open and not self._has_enough():
            for reader in merge.bound():
                output.insert(statistics(reader.interface, time.time_ns(), kernel_dropped=reader.left_out))
            self._write(merge, output)
            self._join(merge, output)
            self._look()
            show(self)
            if all(tap.ended for tap in self.taps) and not (self.joining and self.joining.is_pending):
                self.say("nothing is left to capture")
                break
            left = _TICK_S if ends is None else ends - time.monotonic()
            if left <= 0:
                break
            if output.is_behind:
                output.flush(min(left, _TICK_S))
            else:
                self.stop.wait(min(left, _TICK_S))

    def finish(self, output: Output, show: Callable[[LiveCapture], None]) -> None:
        """Waits for what the kernels still hold, stops the programs, and writes all that is left."""
        assert self._merge is not None
        merge = self._merge
        processes = [tap.process for tap in self.taps]
        let_go_on(processes, self.say)
        stopped_ns = time.time_ns()
        drain = Drain(processes)
        while not self._has_enough() and output.is_open and not drain.is_over():
            self._write(merge, output)
            if output.is_behind:
                output.flush(_TICK_S / 2)
            else:
                drain.pause()
        for tap in self.taps:
            offset = self._clocks.get(tap.point.shell)
            tap.process.ended_ns = None if offset is None else stopped_ns + offset
            tap.process.request_stop()
        for tap in self.taps:
            tap.wait()
        while output.is_open and not (merge.is_read() or self._has_enough() or output.is_stuck):
            self._write(merge, output)
            show(self)
            output.flush(_TICK_S)
        if output.is_open:
            self._pass_on(merge.take_rest(), output)
        output.finish([self._final_counts(tap) for tap in self.taps], time.time_ns())

    def close(self) -> None:
        """Ends what still runs, at once. For an error; `run` leaves nothing to end."""
        if self.joining:
            self.joining.close()
        for tap in self.taps:
            tap.process.request_stop()
        for tap in self.taps:
            tap.wait()
            tap.reader.close()

    def linktypes(self) -> list[int]:
        """Of each point. A program that has not written yet is waited for a moment: it writes its header at once."""
        readers = [tap.reader for tap in self.taps]
        poll_until(lambda: all(reader.peek_linktype() is not None for reader in readers), _HEADER_WITHIN_S, self.stop)
        types = [reader.peek_linktype() for reader in readers]
        return [LINKTYPE_ETHERNET if linktype is None else linktype for linktype in types]

    # -- the course of it ------------------------------------------------------------------------------
    def _starting(self) -> list[Tap]:
        for tap in self.taps:
            tap.look()
        return [tap for tap in self.taps if not tap.is_listening and tap.ended is None]

    def _note_start(self) -> None:
        """All listen by now: the time by the clock of each machine, which is the clock of its packets."""
        self.began_ns = time.time_ns()
        for tap in self.taps:
            shell = tap.point.shell
            if shell not in self._clocks:
                now_ns = shell.clock_ns()
                self._clocks[shell] = None if now_ns is None else now_ns - time.time_ns()
            offset = self._clocks[shell]
            tap.process.started_ns = None if offset is None else self.began_ns + offset

    def _join(self, merge: LiveMerge, output: Output) -> None:
        """Takes in the new points that listen by now."""
        if self.joining is None:
            return
        joined = self.joining.listening()
        for tap in joined:
            tap.reader.interface = len(self.taps)
            self.taps.append(tap)
            offset = self._clocks.get(tap.point.shell)
            tap.process.started_ns = None if offset is None else time.time_ns() + offset
            output.add_interface(self.joining.blocks(tap))
            merge.add(tap.reader)
        if joined:
            names = ", ".join(tap.point.name for tap in joined)
            self.note(f"captured from {time.strftime('%H:%M:%S')} on: {names}")

    def _skew_ns(self) -> int:
        """How far the slowest clock lags behind ours."""
        lags = [-offset for offset in self._clocks.values() if offset is not None]
        lag = max(lags, default=0)
        return lag if 0 < lag <= _MAX_SKEW_NS else 0

    def _write(self, merge: LiveMerge, output: Output) -> None:
        if output.has_room:
            merge.read(_TICK_S)
            self._pass_on(merge.take(), output)
        else:
            output.flush()

    def _pass_on(self, packets: list[tuple[int, bytes]], output: Output) -> None:
        if self.limits.packets is not None:
            packets = packets[: self.limits.packets - self.written]
            for _, block in packets:
                self.taps[interface_of(block)].count(block)
        output.write(packets)
        self.written += len(packets)
        if packets:
            self._last_ns = packets[-1][0]

    def _final_counts(self, tap: Tap) -> PointCounts:
        """Of a capture that ends with its last packet, what was captured behind that does not count."""
        counts = tap.counts
        if not self._has_enough():
            return counts
        return replace(counts, received=None, ended_ns=min(counts.ended_ns or self._last_ns, self._last_ns))

    def _has_enough(self) -> bool:
        return self.limits.packets is not None and self.written >= self.limits.packets

    def _look(self) -> None:
        for tap in self.taps:
            if tap.look():
                clock = time.strftime("%H:%M:%S")
                self.say(f"{tap.point.name} ended at {clock}: {tap.ended}")
                self.left(tap.point)
                if self.joining:
                    self.joining.forget(tap)
        if not self.lacked_space and is_full(self.folder):
            self.lacked_space = True
            self.say(f"no space left in {self.folder}: what is captured from now on is lost")
