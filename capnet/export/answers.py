"""Answers of SQL as text: aligned columns, CSV or JSON. What packets hold is escaped as in `text_rows`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

from capnet.export.query import QueryResult
from capnet.export.text_rows import spreadsheet_text
from capnet.report.escape import visible

MAX_ALIGNED = 1_000  # rows whose widths are known before the first is shown; later ones may be wider


def render(answer: QueryResult, format_: str) -> Iterator[str]:
    """The answer in pieces of text. `format_`: a key of FORMATS."""
    return FORMATS[format_](answer)


def _table(answer: QueryResult) -> Iterator[str]:
    from wcwidth import wcswidth

    def width(text: str) -> int:
        return max(wcswidth(text), 0) or len(text)

    def line(cells: list[str]) -> str:
        padded = [
            " " * (widths[n] - width(cell)) + cell if is_number[n] else cell + " " * (widths[n] - width(cell))
            for n, cell in enumerate(cells)
        ]
        return "  ".join(padded).rstrip() + "\n"

    head = [visible(str(name)) for name in answer.columns]
    shown = [row for row, _ in zip(answer.rows, range(MAX_ALIGNED), strict=False)]
    is_number = [any(isinstance(row[n], int | float) for row in shown) for n in range(len(head))]
    cells = [[_shown(value) for value in row] for row in shown]
    widths = [max(width(text) for text in column) for column in zip(head, *cells, strict=True)]
    yield line(head)
    yield "  ".join("-" * size for size in widths) + "\n"
    yield from map(line, cells)
    for row in answer.rows:
        yield line([_shown(value) for value in row])


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return visible(f"{value:.6g}" if isinstance(value, float) else str(value))


def _csv(answer: QueryResult) -> Iterator[str]:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in ([str(name) for name in answer.columns], *answer.rows):
        writer.writerow([spreadsheet_text(value) for value in row])
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _json(answer: QueryResult) -> Iterator[str]:
    separator = "[\n"
    for row in answer.rows:
        yield separator + json.dumps(dict(zip(answer.columns, row, strict=True)), ensure_ascii=True)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


FORMATS: dict[str, Callable[[QueryResult], Iterator[str]]] = {"table": _table, "csv": _csv, "json": _json}
