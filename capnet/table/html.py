"""The first rows of a table as HTML, for notebooks. Every text is escaped: names and payload are hostile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice
from typing import Any

from capnet.table.batch import Batch
from capnet.table.rows import python_columns


def html_table(name: str, columns: Sequence[str], batches: Iterable[Batch] | None, most: int) -> str:
    """A heading, and at most so many rows. `batches`: None = the rows can be read once, and are not shown."""
    rows = (row for batch in batches or () for row in zip(*python_columns(batch, is_text=True), strict=True))
    shown = list(islice(rows, most + 1))
    head = "".join(f"<th>{_cell(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>" for row in shown[:most])
    more = "<p>and more rows</p>" if len(shown) > most else ""
    if batches is None:
        more = "<p>rows that can be read once, and are not shown</p>"
    caption = f'<caption style="text-align: left">{_cell(name)}</caption>'
    return f"<table>{caption}<tr>{head}</tr>{body}</table>{more}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return escape("".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text))
