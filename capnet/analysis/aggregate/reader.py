"""The sources of one analysis, read one after the other: what the engine does before anything is concluded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from capnet.analysis.aggregate.aggregator import Ledger
from capnet.analysis.aggregate.parallel import Hands
from capnet.analysis.core.sources import Progress, Source
from capnet.wire.capture import Capture

if TYPE_CHECKING:
    from capnet.analysis.core.results import Input, Point


class Reading:
    """What reading all sources leaves: points, inputs, names and the ledger.

    `budget`: of the ledger. `hands`: how many read. `meanwhile` is called once, while others read already.
    """

    def __init__(self, budget: int, hands: int, meanwhile: Callable[[], None]) -> None:
        self.budget = budget
        self.hands = hands
        self.ledger: Ledger | None = None
        self.points: list[Point] = []
        self.inputs: list[Input] = []
        self.names: dict[str, list[str]] = {}
        self.packets = 0
        self.taken = 0  # bytes on disk of the sources that were read
        self.size: int | None = None  # of all sources
        self.bases: list[int] = []  # per source, the index of its first point among all points
        self._meanwhile: Callable[[], None] | None = meanwhile

    def read(self, source: Source, capture: Capture, sources: int, progress: Callable[[Progress], None] | None) -> None:
        """Read one of `sources` sources to its end."""
        if self.ledger is None:
            self.ledger = Ledger(capture.machine, self.budget)
        base = len(self.points)
        self.bases.append(base)

        def told() -> None:
            if progress:
                progress(Progress(self.packets + capture.packets, self.taken + capture.taken, self.size))

        count = self.hands if capture.machine.compiled else 1  # the interpreter runs one thread at a time
        hands = Hands(capture, self.ledger, base, sources - 1, count, told)
        if count > 1:
            hands.meanwhile, self._meanwhile = self._meanwhile, None
        hands.work()
        self.packets += capture.packets
        self.taken += capture.taken
        for address, names in capture.names.of.items():
            self.names.setdefault(address, []).extend(names)
        from capnet.analysis.aggregate.inputs import input_of, points_of

        self.points += points_of(source, capture, {point.name for point in self.points})
        self.inputs.append(input_of(source, capture))
