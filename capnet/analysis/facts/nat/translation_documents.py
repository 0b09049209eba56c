"""Translations as the document of a report has them, each made when it is asked for.

Formats for people show ten of eighty thousand, and need single values of the others: `columns`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from capnet.analysis.core.contract.document import PORTLESS, Document, PrintedRows, file_name
from capnet.analysis.core.flow_rows import proto_name
from capnet.analysis.core.schema import Values
from capnet.analysis.facts.nat.translation_rows import KINDS, METHODS, Row, SideValues, Translations

_DELAYS = ("min", "median", "p99", "max")
MAX_ROWS = 1 << 12  # whose values are Python's at a time


class TranslationDocuments(PrintedRows):
    """The documents of these translations, by packets. `files`: file → as the report names it."""

    def __init__(self, translations: Translations, files: Mapping[str, str]) -> None:
        self._translations, self._files = translations.by_packets(), files

    @property
    def texts(self) -> list[str]:
        """Names of points and files."""
        places = self._translations.places
        files = {name for numbers in places.series.values() for name in numbers.files}
        files |= {point.file for point in places.points}
        return [*(point.name for point in places.points), *(file_name(self._files, file) for file in sorted(files))]

    def __len__(self) -> int:
        return len(self._translations)

    @overload
    def __getitem__(self, index: int) -> Document: ...
    @overload
    def __getitem__(self, index: slice) -> list[Document]: ...
    def __getitem__(self, index: int | slice) -> Document | list[Document]:
        rows = range(len(self))[index]
        if isinstance(rows, int):
            return next(self._documents(self._translations[rows : rows + 1]))
        return list(self._documents(self._translations[index])) if isinstance(index, slice) else []

    def __iter__(self) -> Iterator[Document]:
        for begin in range(0, len(self), MAX_ROWS):
            yield from self._documents(self._translations[begin : begin + MAX_ROWS])

    def columns(self, *paths: str) -> Iterator[tuple[Any, ...]]:
        """The values at these paths of each row."""
        return zip(*map(self._column, paths), strict=True)

    def _column(self, path: str) -> Sequence[Any]:
        rows = self._translations
        side, _, name = path.rpartition(".")
        if not side:
            values: Values = getattr(rows, path)
            if path == "proto":
                return [proto_name(value) for value in values.tolist()]
            words = {"kind": KINDS, "method": METHODS}.get(path)
            return [words[value] for value in values.tolist()] if words else values.tolist()
        form = rows.before if side == "before" else rows.after
        if name in ("src", "dst"):
            texts, numbers = rows.addresses_at(side, name)
            return [texts[number] for number in numbers.tolist()]
        if name == "point":
            points = rows.before_point if side == "before" else rows.after_point
            return [rows.places.points[point].name for point in points.tolist()]
        return [None if number < 0 else number for number in getattr(form, name).tolist()]

    def _documents(self, translations: Translations) -> Iterator[Document]:
        names: dict[str, str] = {}
        for row in translations.values():
            evidence = []
            for place in dict.fromkeys(row.frames):
                point, file, frame = self._translations.places.frame(*place)
                name = names.get(file) or names.setdefault(file, file_name(self._files, file))
                evidence.append({"point": point, "file": name, "frame": frame})
            yield _document(row, evidence)


def _document(row: Row, evidence: list[Document]) -> Document:
    delays = None
    if row.delays is not None:
        delays = {key: round(delay, 3) for key, delay in zip(_DELAYS, row.delays, strict=True)}
    return {
        "kind": row.kind, "proto": row.proto, "before": _side(row.proto, row.before),
        "after": _side(row.proto, row.after), "port_rewritten": row.port_rewritten, "ttl_delta": row.ttl_delta,
        "packets": row.packets, "bytes": row.bytes, "reply_seen": row.reply_seen, "latency_us": delays,
        "method": row.method, "confidence": row.confidence, "evidence": evidence,
    }  # fmt: skip


def _side(proto: str, values: SideValues) -> Document:
    src, sport, dst, dport, point, echo_id = values
    document: Document = {"src": src, "sport": sport, "dst": dst, "dport": dport, "point": point}
    if proto in PORTLESS:
        document["id"] = echo_id
    return document
