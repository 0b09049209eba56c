"""Tables of text that are never wider than the page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal, Protocol

from capnet.report.text import columns, fill, fit

GAP = 2  # columns between columns
INDENT = "  "
MIN_COLUMN_WIDTH = 6


class Heading(Protocol):
    """What a table must know of a column (`sections.section.Column`)."""

    @property
    def title(self) -> str:
        """What stands above the column."""

    @property
    def align(self) -> Literal["left", "right"]:
        """To which side the cells are moved."""

    @property
    def wrap(self) -> Literal["never", "last", "words", "anywhere"]:
        """Where a cell may be broken into lines."""


def table_lines(headings: Sequence[Heading], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lines of a table of at most `width` terminal columns; none if there are no rows.

    A cell may have several lines. When the table is too wide, the widest of the columns that may wrap (at words or
    anywhere) gives way, a terminal column at a time: its text is broken at spaces, and only when that is not enough
    are words cut, and other columns. A column whose cells are all empty is left out, and so is a line of headings that
    are all empty.
    """
    if not rows:
        return []
    used = [i for i in range(len(headings)) if any(row[i] for row in rows)]
    headings, rows = [headings[i] for i in used], [[row[i] for i in used] for row in rows]
    titles = [heading.title for heading in headings]
    lined = [titles, *rows] if any(titles) else rows
    wrapped = [list(map(_wrapped, row, _widths(headings, lined, width))) for row in lined]
    widths = [max(columns(piece) for row in wrapped for piece in row[i]) for i in range(len(used))]
    aligns = [heading.align for heading in headings]
    lines = [
        INDENT + (" " * GAP).join(map(_padded, pieces, widths, aligns))
        for row in wrapped
        for pieces in zip_longest(*row, fillvalue="")
    ]
    # Too many columns even for that: lines are cut.
    return [fit(line.rstrip(), width) for line in lines]


def _widths(headings: Sequence[Heading], lined: Sequence[Sequence[str]], width: int) -> list[int]:
    """Terminal columns of each column, so that they fit `width` if that is possible."""
    indices = range(len(headings))
    widths = [max(columns(line) for row in lined for line in row[i].split("\n")) for i in indices]
    room = width - len(INDENT) - GAP * (len(headings) - 1)
    if sum(widths) <= room:
        return widths
    wraps = [heading.wrap in ("words", "anywhere") for heading in headings]
    words = [max(columns(word) for row in lined for word in row[i].split()) for i in indices]
    for may_shrink in (
        lambda i: wraps[i] and widths[i] > max(words[i], MIN_COLUMN_WIDTH),
        lambda i: wraps[i] and widths[i] > MIN_COLUMN_WIDTH,
        lambda i: widths[i] > MIN_COLUMN_WIDTH,
    ):
        while sum(widths) > room and (candidates := list(filter(may_shrink, indices))):
            widths[max(candidates, key=lambda i: widths[i])] -= 1
    return widths


def _wrapped(cell: str, width: int) -> list[str]:
    lines = cell.split("\n")
    if all(columns(line) <= width for line in lines):
        return lines
    return [piece for line in lines for piece in fill(line, width)]


def _padded(piece: str, width: int, align: str) -> str:
    room = " " * (width - columns(piece))
    return room + piece if align == "right" else piece + room
