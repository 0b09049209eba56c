"""The language of lessons, and lines of Chinese."""

from __future__ import annotations

import re

from capnet import language
from capnet.report.text import columns, fill

_WIDE = "⺀-鿿＀-￯"  # CJK radicals to unified ideographs, full-width forms
_CLOSING = "，。；：、？！）”"  # may not begin a line


def chosen_language(asked: str | None) -> str:
    """`asked`, else the language that the command line or the environment chose."""
    return asked or language.current()


def wrapped(text: str, width: int, indent: str, hanging: str | None = None) -> list[str]:
    """As `fill`; Chinese may be broken between any two characters, but not before a closing mark."""
    pieces = re.findall(rf"[{_WIDE}][{_CLOSING}]*|[^{_WIDE}]+", text)
    if len(pieces) <= 1:
        return fill(text, width, indent, hanging)
    lines = [indent]
    for piece in (part for each in pieces for part in re.findall(r"\S+\s*|\s+", each)):
        if columns(lines[-1] + piece.rstrip()) > width:
            lines.append(indent if hanging is None else hanging)
        lines[-1] += piece
    return [line.rstrip() for line in lines]
