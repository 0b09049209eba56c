"""Reads the sources of one analysis one after the other: into one aggregator, a list of inputs and a list of points."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from capnet.analysis.aggregate.aggregator import Aggregator
from capnet.analysis.aggregate.parallel import ParallelReader, default_threads
from capnet.analysis.core.options import Options
from capnet.analysis.core.rings.opening import open_source
from capnet.analysis.core.sources import Progress, Source
from capnet.topology import Topology
from capnet.wire.capture import Capture

if TYPE_CHECKING:
    from capnet.analysis.core.results import Input, Point
    from capnet.analysis.core.rings.frame_numbers import FrameNumbers
    from capnet.wire.formats.reader import Pause

MIN_SHARED = 1 << 20  # bytes of the sources: of fewer, a second thread takes longer to start than it saves


class SourceReader:
    """Call `read` for each source in turn, then read the attributes.

    `sources`: how many there are; `size`: their bytes on disk, None if a stream is among them. `topology` knows the
    roles of points. `meanwhile` is called once, while other threads read already. `after_block`, if it is set, is
    called after each block, with what is being read.
    """

    def __init__(
        self,
        sources: int,
        size: int | None,
        topology: Topology | None,
        options: Options,
        meanwhile: Callable[[], None],
    ) -> None:
        self.options = options  # `compiled` is known once the first source is open
        self.aggregator: Aggregator | None = None
        self.points: list[Point] = []
        self.inputs: list[Input] = []
        self.series: dict[str, FrameNumbers] = {}  # by the first file of several that are one source
        self.pauses: dict[int, list[Pause]] = {}  # by point, of several files that are one source
        self.unfiltered: set[int] = set()  # points whose recording says that it had no filter
        self.names: dict[str, list[str]] = {}  # by address, of the captures' name resolution blocks
        self.packets = 0
        self.bases: list[int] = []  # per source, the index of its first point among all points
        self._sources = sources
        self._topology = topology
        self._size = size
        self._taken = 0  # bytes on disk of the sources that were read
        self._meanwhile: Callable[[], None] | None = meanwhile
        self.after_block: Callable[[Source, Capture], None] | None = None

    def read(self, source: Source, size: int | None, on_block: Callable[[bytes, bool], None] | None) -> None:
        """Read one source to its end. Raises UnreadableInput, and NotOneSeries for files that are not one source."""
        options = self.options
        with open_source(source, options, size, on_block, self._part_ended) as capture:
            self.options = replace(options, compiled=capture.machine.compiled)  # one pass, one machine
            self._aggregate(source, capture)
            self._describe(source, capture)

    def _part_ended(self, source: Source, part: Source, capture: Capture, first_number: int) -> None:
        """One of the files of a source was read."""
        from capnet.analysis.aggregate.inputs import input_of
        from capnet.analysis.core.rings.frame_numbers import FrameNumbers

        self.inputs.append(input_of(part, capture))
        numbers = self.series.setdefault(source.label, FrameNumbers([], []))
        numbers.files.append(part.label)
        numbers.firsts.append(first_number)

    def so_far(self, source: Source, capture: Capture) -> SourceReader:
        """A reader that has read what this one has, of the capture that it reads now too."""
        twin = copy(self)
        twin.aggregator = self.aggregator.copy() if self.aggregator else None
        twin.points, twin.inputs, twin.pauses = list(self.points), list(self.inputs), dict(self.pauses)
        twin.unfiltered = set(self.unfiltered)
        twin.names = {address: list(names) for address, names in self.names.items()}
        twin._describe(source, capture)
        return twin

    def _aggregate(self, source: Source, capture: Capture) -> None:
        if self.aggregator is None:
            self.aggregator = Aggregator(capture.machine, self.options.budget, self.options.excluded, self._size)
        self.bases.append(len(self.points))
        report_progress = self.options.progress

        def on_progress() -> None:
            if report_progress:
                report_progress(Progress(self.packets + capture.packets, self._taken + capture.taken, self._size))
            if self.after_block:
                self.after_block(source, capture)

        is_small = self._size is not None and self._size < MIN_SHARED
        threads = self.options.threads or (1 if is_small else default_threads())
        threads = threads if capture.machine.compiled else 1  # the interpreter runs one thread at a time
        reader = ParallelReader(capture, self.aggregator, self.bases[-1], self._sources - 1, threads, on_progress)
        if threads > 1:
            reader.meanwhile, self._meanwhile = self._meanwhile, None
        reader.read()

    def _describe(self, source: Source, capture: Capture) -> None:
        from capnet.analysis.aggregate.inputs import input_of, points_of

        self.packets += capture.packets
        self._taken += capture.taken
        for address, names in capture.names.of.items():
            self.names.setdefault(address, []).extend(names)
        base = len(self.points)
        self.points += points_of(source, capture, {point.name for point in self.points}, self._topology)
        # Programs that write when a capture began and ended write its filter too.
        self.unfiltered |= {
            base + number
            for number, interface in enumerate(capture.interfaces)
            if self.points[base + number].started is not None and not interface.filter
        }
        if capture.pauses:
            self.pauses |= dict.fromkeys(range(base, len(self.points)), capture.pauses)
        if not source.later:
            self.inputs.append(input_of(source, capture))
