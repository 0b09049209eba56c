"""Tables as CSV (RFC 4180) and JSON lines, in pieces of text: one batch is in memory.

Names and payload are hostile. In CSV, control characters are spelled out, and a text that a spreadsheet would take for
a formula (it begins with = + - @) gets a ' in front, as OWASP advises (CSV Injection). JSON is ASCII.
Method: cells are made column by column, a text of a dictionary once for all of its rows, and then joined row by row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from capnet.quick_tuple import NamedTuple
from capnet.report.escape import visible
from capnet.table.batch import Codes, ColumnData, Values
from capnet.table.column import DataColumn
from capnet.table.rows import special_texts
from capnet.table.table import Table

_FORMULA = tuple("=+-@\t\r")


class _Style(NamedTuple):
    """How a cell is written: a text or a list of them, what stands before numbers, and what around times."""

    write: Callable[[str | list[Any]], str]
    before: str = ""
    quote: str = ""


def csv_pieces(table: Table) -> Iterator[str]:
    """A line of names, then a line for each row; nothing stands for a missing value.

    The first rows are made before the names are written: where a capture cannot be read, nothing is.
    """
    batches = table.batches()
    first = next(batches, None)
    yield ",".join(map(_quoted, table.columns)) + "\n"
    style = _Style(lambda value: _quoted(spreadsheet_text(value)))
    for batch in [] if first is None else chain([first], batches):
        columns = [_cells(column, data, style) for column, data in zip(batch.columns, batch.data, strict=True)]
        yield _lines(map(",".join, zip(*columns, strict=True)))


def jsonl_pieces(table: Table) -> Iterator[str]:
    """An object for each row, without the missing values."""
    styles = list(map(_member, table.columns))
    for batch in table.batches():
        parts = zip(batch.columns, batch.data, styles, strict=True)
        columns = [_cells(column, data, style) for column, data, style in parts]
        yield _lines(f"{{{','.join(filter(None, members))}}}" for members in zip(*columns, strict=True))


def _member(name: str) -> _Style:
    """`"name":value`"""
    encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
    before = f"{encode(name)}:"
    return _Style(lambda value: before + encode(value), before, '"')


def _lines(rows: Iterator[str]) -> str:
    return "".join([f"{row}\n" for row in rows])


def _cells(column: DataColumn, data: ColumnData, style: _Style) -> list[str]:
    """A cell for each row, empty where the value is missing."""
    if isinstance(data, Codes):
        texts = np.array([*map(style.write, data.texts.to_list()), ""], dtype=object)  # the last one: missing, code -1
        return texts[data.codes].tolist()
    if not isinstance(data, Values):
        return list(map(style.write, data.to_list()))
    if data.is_there is None:
        return _value_cells(column, data, style)
    cells = np.full(len(data.values), "", dtype=object)
    cells[data.is_there] = _value_cells(column, Values(data.values[data.is_there]), style)
    return cells.tolist()


def _value_cells(column: DataColumn, data: Values, style: _Style) -> list[str]:
    texts = special_texts(column, data)
    if texts is not None:
        return [f"{style.before}{style.quote}{text}{style.quote}" for text in texts]
    values = data.values.tolist()
    texts = ["true" if value else "false" for value in values] if column.kind == "bool" else list(map(repr, values))
    return list(map(style.before.__add__, texts)) if style.before else texts


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


def spreadsheet_text(value: Any) -> Any:
    r"""A value as a cell: a text that no program takes for anything else; numbers as they are.

    A list is its texts with a space between them; a space in one of them is spelled out, `\x20`.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, list):
        value = " ".join(str(item).replace(" ", r"\x20") for item in value)
    text = visible(str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text
