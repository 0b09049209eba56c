"""The sources of one analysis, read one after the other: what the engine does before anything is concluded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from capnet.analyze.hands import Hands
from capnet.analyze.ledger import Ledger
from capnet.wire.capture import Capture

if TYPE_CHECKING:
    from capnet.analyze.facts import Input, Point


@dataclass(frozen=True)
class Source:
    """Something to analyze: a file, or standard input (`path` None), and the name of its point if given."""

    path: Path | None
    point_name: str | None = None

    @property
    def label(self) -> str:
        return "-" if self.path is None else str(self.path)


class Progress(NamedTuple):
    """How far the reading is: packets, and bytes on disk of how many in all (None: a stream does not tell)."""

    packets: int
    taken: int
    size: int | None


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
        from capnet.analyze.inputs import input_of, points_of  # not before reading has begun: see `Hands`

        self.points += points_of(source, capture, {point.name for point in self.points})
        self.inputs.append(input_of(source, capture))


def as_sources(given: Source | str | PathLike[str] | Iterable[Source | str | PathLike[str]]) -> list[Source]:
    """One or several as a list; TypeError for what is none."""
    several = [given] if isinstance(given, Source | str | bytes | PathLike) else list(given)
    for each in several:
        if not isinstance(each, Source | str | PathLike):
            raise TypeError(f"a capture is a path (str or Path) or a Source, not {type(each).__name__}")
    return [each if isinstance(each, Source) else Source(Path(each)) for each in several]


def size_of(sources: list[Source]) -> int | None:
    """Bytes on disk of all sources; None if one of them is a stream."""
    total = 0
    for source in sources:
        if source.path is None:
            return None
        try:
            total += source.path.stat().st_size
        except OSError:
            return None  # opening it will say why
    return total
