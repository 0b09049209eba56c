"""A hex dump in which fields are marked: carets below their bytes, in any terminal and in a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from capnet.report.drawing.frame import hex_dump
from capnet.report.page.field_places import FieldPlace

BYTES_A_LINE = 16
_FIRST_COLUMN = 8  # of the first byte in a line of `hex_dump`


def marked_dump(raw: bytes, marks: Sequence[FieldPlace]) -> list[str]:
    """Lines of the dump down to the last marked byte; below a line, its marks with name and value."""
    lines = []
    last = max(mark.end for mark in marks)
    for number, line in enumerate(hex_dump(raw[:last], last).splitlines()):
        lines.append(line.rstrip())
        first = number * BYTES_A_LINE
        for mark in marks:
            begin, end = max(mark.at, first), min(mark.end, first + BYTES_A_LINE)
            if begin < end:
                is_end = end == mark.end
                lines.append(_carets(begin - first, end - first, f"{mark.name} {mark.value}" if is_end else ""))
    return lines


def _carets(begin: int, end: int, label: str) -> str:
    return " " * _column(begin) + "^" * (_column(end - 1) + 2 - _column(begin)) + (f" {label}" if label else "")


def _column(byte: int) -> int:
    """Of byte 0 to 15 of a line; there is a gap in its middle."""
    return _FIRST_COLUMN + 3 * byte + (1 if byte >= BYTES_A_LINE // 2 else 0)
