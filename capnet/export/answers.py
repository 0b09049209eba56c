"""Answers of SQL as text: aligned columns, CSV or JSON. What packets hold is escaped as in `text_rows`."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from io import StringIO
from itertools import chain, count
from math import isfinite
from typing import Any

from capnet.export.query import QueryResult
from capnet.export.text_rows import spreadsheet_text
from capnet.report.escape import visible

FORMATS = ("table", "csv", "json")
MAX_ALIGNED = 1_000  # rows whose widths are known before the first is shown; later ones may be wider


def render(answer: QueryResult, format_: str, columns: int | None = None) -> Iterator[str]:
    """The answer in pieces of text. `format_`: one of FORMATS.

    `columns` of a terminal: a table that is wider is written as a block for each row instead.
    """
    if format_ == "table":
        return _table(answer, columns)
    return _csv(answer) if format_ == "csv" else _json(answer)


def _table(answer: QueryResult, columns: int | None) -> Iterator[str]:
    def line(cells: list[str]) -> str:
        padded = [
            " " * (widths[n] - _width(cell)) + cell if is_number[n] else cell + " " * (widths[n] - _width(cell))
            for n, cell in enumerate(cells)
        ]
        return "  ".join(padded).rstrip() + "\n"

    head = [visible(str(name)) for name in answer.columns]
    first = [row for row, _ in zip(answer.rows, range(MAX_ALIGNED), strict=False)]
    is_number = [any(isinstance(row[n], int | float) for row in first) for n in range(len(head))]
    cells = [[_shown(value) for value in row] for row in first]
    widths = [max(map(_width, column)) for column in zip(head, *cells, strict=True)]
    if columns is not None and first and sum(widths) + 2 * (len(widths) - 1) > columns:
        yield from _blocks(head, chain(first, answer.rows))
        return
    yield line(head)
    yield "  ".join("-" * size for size in widths) + "\n"
    yield from map(line, cells)
    for row in answer.rows:
        yield line([_shown(value) for value in row])


def _blocks(head: list[str], rows: Iterable[list[Any]]) -> Iterator[str]:
    """For each row a line with its number, and one for each value that is there."""
    width = max(map(_width, head))
    for number, row in enumerate(rows, start=1):
        values = [(name, _shown(value)) for name, value in zip(head, row, strict=True) if value is not None]
        yield f"--- row {number:,} ---\n"
        yield "".join(f"{name}{' ' * (width - _width(name))}  {value}".rstrip() + "\n" for name, value in values)


def _width(text: str) -> int:
    from wcwidth import wcswidth

    return max(wcswidth(text), 0) or len(text)


def _shown(value: Any) -> str:
    return "" if value is None else visible(_text(value, ", "))


def _text(value: Any, separator: str) -> str:
    """A value as text; items of a list with the separator between them, other structures as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return separator.join(_text(item, separator) for item in value)
    if value is None or isinstance(value, dict):
        return json.dumps(_finite(value), ensure_ascii=False)
    return str(value)


def _csv(answer: QueryResult) -> Iterator[str]:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in ([str(name) for name in answer.columns], *answer.rows):
        cells = (_text(value, " ") if isinstance(value, list | dict) else value for value in row)
        writer.writerow(list(map(spreadsheet_text, cells)))
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _json(answer: QueryResult) -> Iterator[str]:
    names = _distinct(answer.columns)
    separator = "[\n"
    for row in answer.rows:
        values = dict(zip(names, map(_finite, row), strict=True))
        yield separator + json.dumps(values, ensure_ascii=True, allow_nan=False)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def _distinct(names: Iterable[str]) -> list[str]:
    """The names; one that is there already gets a number, so that no value replaces another one."""
    distinct: list[str] = []
    for name in names:
        free = (f"{name}_{number}" for number in count(1))
        distinct.append(name if name not in distinct else next(each for each in free if each not in distinct))
    return distinct


def _finite(value: Any) -> Any:
    """A value with null for the numbers that JSON does not have: NaN and infinity."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, list):
        return list(map(_finite, value))
    return {key: _finite(item) for key, item in value.items()} if isinstance(value, dict) else value
