"""A whole capture: programs started, what is around it entered, packets written, everything ended again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from threading import Event
from typing import TypeAlias

from capnet.errors import EnvironmentLacks
from capnet.quick_dataclass import mutable
from capnet.record.bundle import leftover
from capnet.record.find.capture_points import CapturePoint
from capnet.record.kernel.snapshots import Witnessing
from capnet.record.live.arrivals import Arrivals, Listener, Starter
from capnet.record.live.blocks import heading
from capnet.record.live.joining import Joining
from capnet.record.live.outputs.output import Output
from capnet.record.live.session import Limits, LiveCapture
from capnet.record.live.surroundings import nothing
from capnet.record.run_id import is_dead, temporary_folder
from capnet.record.taps.capture_process import CaptureProcess
from capnet.record.taps.capture_program import BUFFER_MIB, SNAPLEN
from capnet.record.taps.start import start_captures
from capnet.topology import Topology

# Opens the output when all points are listened at, given the blocks that it begins with.
Opener: TypeAlias = Callable[[LiveCapture, bytes], Output]
# Tells of points that come later, given those that are captured, what starts programs at others, and what is to be
# called when these listen.
Arrive: TypeAlias = Callable[[Sequence[CapturePoint], Starter, Listener], Arrivals]
# What is entered when all points are listened at, and left when the capture is to end, while they still are.
Around: TypeAlias = Callable[[Sequence[CapturePoint]], AbstractContextManager[Witnessing | None]]


@mutable
class Recording:
    """What to capture, and how. `topology` gets its points when they are known to listen."""

    points: Sequence[CapturePoint]
    topology: Topology
    say: Callable[[str], None]
    show: Callable[[LiveCapture], None]
    stop: Event
    limits: Limits
    snaplen: int = SNAPLEN
    buffer_mib: int = BUFFER_MIB
    max_unread: int | None = None  # bytes that may wait for the output; None: nothing is left out
    around: Around = nothing
    arrive: Arrive | None = None  # opens what tells of points that come later
    note: Callable[[str], None] = lambda line: None  # is given what joins, in one line
    witnessed: Witnessing | None = None  # what `around` made, complete when it has been left

    def record(self, open_output: Opener) -> LiveCapture | None:
        """Captures until it ends; None if it was told to stop before it had begun. EnvironmentLacks, OSError."""
        check_root(self.points)
        for line in leftover.sweep(is_dead, self.say):
            self.say(f"removed what a dead run left: {line}")
        folder = temporary_folder("capture")
        live = LiveCapture(self.points, folder, self.say, self.snaplen, self.limits, self.stop, self.buffer_mib)
        try:
            live.open()
            if self.stop.is_set():
                return None
            captured = [tap.point for tap in live.taps]
            self.topology.points = [point.listening_point() for point in captured]
            blocks = heading(captured, live.linktypes(), self.topology, self.snaplen)
            with ExitStack() as surroundings:
                self.witnessed = surroundings.enter_context(self.around(captured))
                live.note, live.max_unread = self.note, self.max_unread
                live.left = self.witnessed.leave if self.witnessed else live.left
                live.joining = self._joining(captured, folder)
                output = open_output(live, blocks)
                try:
                    with surroundings.pop_all():
                        live.run(output, self.show)
                finally:
                    live.finish(output, self.show)
            if output.problem:
                raise EnvironmentLacks(output.problem)
            return live
        finally:
            live.close()
            shutil.rmtree(folder, ignore_errors=True)

    def _joining(self, captured: Sequence[CapturePoint], folder: Path) -> Joining | None:
        if self.arrive is None:
            return None
        used = len(self.points)  # numbers of files

        def start(points: Sequence[CapturePoint]) -> Iterator[CaptureProcess]:
            nonlocal used
            first, used = used, used + len(points)
            return start_captures(points, folder, self.snaplen, self.buffer_mib, first=first)

        witness = self.witnessed.add if self.witnessed else lambda points: None
        arrivals = self.arrive(captured, start, witness)
        arrivals.open()
        return Joining(arrivals, self.topology, self.snaplen, self.say)


def check_root(points: Sequence[CapturePoint]) -> None:
    """Raises EnvironmentLacks, with what to do, if a machine of these points cannot be captured at for want of root."""
    for shell in dict.fromkeys(point.shell for point in points):
        shell.run(["true"])
