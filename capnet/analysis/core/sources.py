"""What is analyzed, and how far its reading is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import NamedTuple


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
