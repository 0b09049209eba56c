"""What is analyzed: sources, their sizes and the topologies beside them; and how far reading is."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import BinaryIO, TypeAlias

from capnet.errors import UnreadableInput, UsageError
from capnet.quick_dataclass import value
from capnet.quick_tuple import NamedTuple


@value
class Source:
    """Something to analyze: a file, or a stream (`path` None), and the name of its point if given.

    `stream`: the binary stream; None = standard input. `later`: further files of the same points, in the order of
    time, as a capture program writes a ring.
    """

    path: Path | None
    point_name: str | None = None
    stream: BinaryIO | None = None
    later: tuple[Path, ...] = ()

    @property
    def parts(self) -> list[Source]:
        """A source for each file; itself alone if it is one file."""
        if self.path is None or not self.later:
            return [self]
        return [Source(path, self.point_name) for path in (self.path, *self.later)]

    @property
    def label(self) -> str:
        """The source as reports and messages name it."""
        return "-" if self.path is None else str(self.path)


_WHAT = "a capture is a path (str or Path) or a Source"

AnySource: TypeAlias = Source | str | PathLike[str]


class Progress(NamedTuple):
    """How far reading is: packets, and bytes on disk of how many in all (None: a stream does not tell)."""

    packets: int
    taken: int
    size: int | None


def as_sources(given: AnySource | Iterable[AnySource]) -> list[Source]:
    """One source or several, as a list.

    Raises TypeError for anything that is no source, UsageError if there is none, as of a pattern that fits no file:
    a report on nothing has no finding. Raises UnreadableInput for a path without the name of a file.
    """
    if hasattr(given, "read"):  # its lines would be taken for names
        raise TypeError(f"{_WHAT}, not {type(given).__name__}: capnet.Source(None, stream=FILE) reads an open file")
    items = list(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes) else [given]
    if not items:
        raise UsageError("no capture: the list of sources is empty")
    for item in items:
        if not isinstance(item, Source | str | PathLike):
            raise TypeError(f"{_WHAT}, not {type(item).__name__}")
        if not isinstance(item, Source) and not Path(item).name:
            raise UnreadableInput(f"{item!r}: is no name of a file")
    return [_with_path(item) if isinstance(item, Source) else Source(Path(item)) for item in items]


def _with_path(source: Source) -> Source:
    """The source, its path a Path. TypeError for what is neither path nor, without one, a stream."""
    if source.path is None or isinstance(source.path, Path):
        return source
    if not isinstance(source.path, str | PathLike):
        raise TypeError(f"{_WHAT}, not a Source of {type(source.path).__name__}: stream= takes an open file")
    return Source(Path(source.path), source.point_name, source.stream, source.later)


def size_of(source: Source) -> int | None:
    """Bytes on disk; None for a stream, and for a file that cannot be opened: opening it says why."""
    if source.path is None:
        return None
    try:
        return sum(path.stat().st_size for path in (source.path, *source.later))
    except OSError:
        return None
