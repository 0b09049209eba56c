"""Tables that never leave the page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from capnet.report.text import columns, fill, fit

GAP = 2  # columns between columns
INDENT = "  "
_NARROWEST = 6


def grid(
    headers: Sequence[str], rows: Sequence[Sequence[str]], width: int, align: str = "", wrap: str = ""
) -> list[str]:
    """Lines of a table of at most `width` terminal columns; none if there are no rows.

    A cell may have several lines. `align` has a letter per column, `r` for numbers. When the table is too wide, the
    widest of the columns marked `w` in `wrap` gives way, a column at a time: its text is broken at spaces, and only
    when that is not enough are words cut. A column whose cells are all empty is left out, and so is a heading of
    nothing but empty cells.
    """
    if not rows:
        return []
    used = [i for i in range(len(headers)) if any(row[i] for row in rows)]
    headers, rows = [headers[i] for i in used], [[row[i] for i in used] for row in rows]
    align = "".join(align[i] if i < len(align) else "l" for i in used)
    wraps = [i < len(wrap) and wrap[i] == "w" for i in used]

    lined = [headers, *rows] if any(headers) else rows
    widths = [max(columns(line) for row in lined for line in row[i].split("\n")) for i in range(len(used))]
    words = [max(columns(word) for row in lined for word in row[i].split()) for i in range(len(used))]
    room = width - len(INDENT) - GAP * (len(used) - 1)
    for may_shrink in (
        lambda i: wraps[i] and widths[i] > max(words[i], _NARROWEST),
        lambda i: wraps[i] and widths[i] > _NARROWEST,
        lambda i: widths[i] > _NARROWEST,
    ):
        while sum(widths) > room and (candidates := list(filter(may_shrink, range(len(used))))):
            widths[max(candidates, key=lambda i: widths[i])] -= 1
    wrapped = [list(map(_wrapped, row, widths)) for row in lined]
    widths = [max(columns(piece) for row in wrapped for piece in row[i]) for i in range(len(used))]
    lines = [
        INDENT + (" " * GAP).join(map(_padded, pieces, widths, align))
        for row in wrapped
        for pieces in zip_longest(*row, fillvalue="")
    ]
    # Too many columns even for that: lines are cut.
    return [fit(line.rstrip(), width) for line in lines]


def _wrapped(cell: str, width: int) -> list[str]:
    return [piece for line in cell.split("\n") for piece in fill(line, width)]


def _padded(piece: str, width: int, letter: str) -> str:
    room = " " * (width - columns(piece))
    return room + piece if letter == "r" else piece + room
