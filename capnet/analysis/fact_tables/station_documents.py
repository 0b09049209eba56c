"""Stations as the document of a report has them, each made when it is asked for.

A first screen asks thousands of stations for their kind, names and addresses, and shows none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, overload

from capnet.analysis.core.contract.document import Document, Plain, PrintedRows
from capnet.analysis.core.results import Station


class StationDocuments(PrintedRows):
    """The documents of these stations, in the order of their MACs."""

    def __init__(self, stations: Iterable[Station]) -> None:
        self._stations = sorted(stations, key=attrgetter("mac"))
        self._plain = Plain([])  # a station names no file

    @property
    def texts(self) -> Sequence[str]:
        """Names of stations and points; MACs, addresses and kinds are capnet's own words."""
        return list({text for station in self._stations for text in (*station.names, *station.points)})

    def __len__(self) -> int:
        return len(self._stations)

    @overload
    def __getitem__(self, index: int) -> Document: ...
    @overload
    def __getitem__(self, index: slice) -> list[Document]: ...
    def __getitem__(self, index: int | slice) -> Document | list[Document]:
        document: Document | list[Document] = self._plain(self._stations[index])
        return document

    def __iter__(self) -> Iterator[Document]:
        return map(self._plain, self._stations)

    def columns(self, *paths: str) -> Iterator[tuple[Any, ...]]:
        """The values at these paths of each row."""
        return zip(*(map(attrgetter(path), self._stations) for path in paths), strict=True)
