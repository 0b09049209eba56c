"""Tables of text that are never wider than the page, and in which nothing is cut.

Input: columns, rows of cells, a width in terminal columns. Output: lines. Method: columns shrink to their longest word;
a column for which there is no room then stands below its row, as `heading: text`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal, Protocol

from capnet import language
from capnet.report.text import columns, fill
from capnet.report.text import words as words_of

GAP = 2  # columns between columns
INDENT = "  "
BELOW = " " * 6  # before a column that stands below its row
MIN_COLUMN_WIDTH = 6
MAX_WHOLE_NAME = 24  # columns of a name that may be broken anywhere, before others move


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

    A cell may have several lines. A column whose cells are all empty is left out, and so is a line of headings that are
    all empty. When the table is too wide, texts are broken at spaces; then columns move below their rows, the widest
    first; a word is broken only if it is longer than a line.
    """
    if not rows:
        return []
    used = [i for i in range(len(headings)) if any(row[i] for row in rows)]
    headings, rows = [headings[i] for i in used], [[row[i] for i in used] for row in rows]
    inside, below = _arranged(headings, rows, width)
    shown = [headings[i] for i in inside]
    cells = [[row[i] for i in inside] for row in rows]
    titles = [heading.title for heading in shown]
    lined = [titles, *cells] if any(titles) else cells
    room = _widths(shown, lined, width)
    wrapped = [list(map(_wrapped, row, room)) for row in lined]
    widths = [max(columns(piece) for row in wrapped for piece in row[i]) for i in range(len(inside))]
    lines = []
    for index, row in enumerate(wrapped, start=len(rows) - len(wrapped)):  # the headings are row -1
        for texts in zip_longest(*row, fillvalue=""):
            padded = map(_padded, texts, widths, [heading.align for heading in shown])
            lines.append((INDENT + (" " * GAP).join(padded)).rstrip())
        for i in below if index >= 0 else ():
            lines += _below(headings[i].title, rows[index][i], width)
    return lines


def _below(title: str, cell: str, width: int) -> list[str]:
    """`heading: text` of a cell that has no room in its row; none of an empty cell."""
    label = language.pick("{}: ", "{}：").format(title) if title else ""
    first, *others = cell.split("\n")
    lines = fill(label + first, width, BELOW, BELOW + INDENT) if cell else []
    return lines + [line for other in others for line in fill(other, width, BELOW + INDENT)]


def _arranged(headings: Sequence[Heading], rows: Sequence[Sequence[str]], width: int) -> tuple[list[int], list[int]]:
    """Indices of the columns that stand in the table, and of those that stand below its rows."""
    titles = [heading.title for heading in headings]
    inside, below = list(range(len(headings))), []
    least = [_least_width(headings[i], [titles[i], *(row[i] for row in rows)]) for i in inside]
    while len(inside) > 1 and sum(least[i] for i in inside) > _room(width, len(inside)):
        movable = [i for i in inside[1:] if headings[i].wrap == "words"] or inside[1:]
        widest = max(movable, key=lambda i: least[i])
        inside.remove(widest)
        below.append(widest)
    return inside, sorted(below)


def _least_width(heading: Heading, cells: Sequence[str]) -> int:
    """Terminal columns that a column needs: of its longest line, or word where it may be broken."""
    parts = (part for cell in cells for part in (cell.split("\n") if heading.wrap == "never" else words_of(cell)))
    longest = max(map(columns, parts), default=0)
    return min(longest, MAX_WHOLE_NAME) if heading.wrap == "anywhere" else longest


def _room(width: int, number: int) -> int:
    """Terminal columns for the texts of this number of columns."""
    return width - len(INDENT) - GAP * (number - 1)


def _widths(headings: Sequence[Heading], lined: Sequence[Sequence[str]], width: int) -> list[int]:
    """Terminal columns of each column, so that they fit `width` if that is possible."""
    indices = range(len(headings))
    widths = [max(columns(line) for row in lined for line in row[i].split("\n")) for i in indices]
    room = _room(width, len(headings))
    if sum(widths) <= room:
        return widths
    wraps = [heading.wrap in ("words", "anywhere") for heading in headings]
    words = [max((columns(word) for row in lined for word in words_of(row[i])), default=0) for i in indices]
    for may_shrink in (
        lambda i: wraps[i] and widths[i] > max(words[i], MIN_COLUMN_WIDTH),
        lambda i: headings[i].wrap == "last" and widths[i] > max(words[i], MIN_COLUMN_WIDTH),
        lambda i: headings[i].wrap == "anywhere" and widths[i] > MAX_WHOLE_NAME,
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
