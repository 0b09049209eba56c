"""Tables as CSV (RFC 4180) and JSON lines, in pieces of text: one batch is in memory.

Names and payload are hostile. In CSV, control characters are spelled out, and a text that a spreadsheet would take for
a formula (it begins with = + - @) gets a ' in front, as OWASP advises (CSV Injection). JSON is ASCII.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

from capnet.report.escape import visible
from capnet.table.rows import python_columns
from capnet.table.table import Table

_FORMULA = tuple("=+-@\t\r")
_TEXTS = ("text", "address", "texts", "bool")


def csv_pieces(table: Table) -> Iterator[str]:
    """A line of names, then a line for each row; nothing stands for a missing value."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    for batch in table.batches():
        columns = [
            [spreadsheet_text(value) for value in values] if column.kind in _TEXTS else values
            for column, values in zip(table.fields, python_columns(batch, is_text=True), strict=True)
        ]
        writer.writerows(zip(*columns, strict=True))
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def jsonl_pieces(table: Table) -> Iterator[str]:
    """An object for each row, without the missing values."""
    names = table.columns
    write = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
    for batch in table.batches():
        rows = zip(*python_columns(batch, is_text=True), strict=True)
        yield "".join(
            write({name: value for name, value in zip(names, row, strict=True) if value is not None}) + "\n"
            for row in rows
        )


def spreadsheet_text(value: Any) -> Any:
    """A value as a cell: a text that no program takes for anything else; numbers as they are."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, int | float):
        return value
    text = visible(" ".join(map(str, value)) if isinstance(value, list) else str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text
