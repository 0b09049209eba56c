"""Colours of a report on a terminal: levels, labels, headings, ends of paths.

The text stays the same: what capnet itself writes at fixed places is wrapped into ANSI escapes, nothing is added.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache

from capnet import language

_LABELS = ("Who", "Outward", "Inward", "Redirect", "Tunnels", "Not seen", "Names")
_MORE_LABELS = ("Fix", "Seen", "More")


@cache
def _styles(words: tuple[str, ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """(pattern, style) of what is painted; `words`: levels, labels and further labels in the current language."""
    error, warning, info, *labels = words
    first, further = "|".join(labels[: len(_LABELS)]), "|".join(labels[len(_LABELS) :])
    patterns = (
        (rf"^{error}(?= )", "1;31"),
        (rf"^  {error}(?= )", "1;31"),
        (rf"^( {{2}})?{warning}(?= )", "1;33"),
        (rf"^( {{2}})?{info}(?= )", "36"),
        (rf"^({first})(?=  | )", "1"),
        (rf"^ {{9}}({further})(?=: |：)", "1"),
        (r"✗.*$", "31"),
        (r"◆.*$", "32"),
        (r"(?<=─)[^─▶\s][^─▶]*(?=─▶)", "35"),
    )
    return tuple((re.compile(pattern), style) for pattern, style in patterns)


def _current_styles() -> tuple[tuple[re.Pattern[str], str], ...]:
    return _styles(tuple(map(language.term, ("error", "warning", "info", *_LABELS, *_MORE_LABELS))))


def is_wanted(choice: str, goes_to_file: bool) -> bool:
    """Are colours wanted? `auto`: on a terminal that has them, unless NO_COLOR is set (no-color.org)."""
    if choice != "auto":
        return choice == "always"
    if goes_to_file or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout is not None and sys.stdout.isatty()


def colored(text: str) -> str:
    """The text with ANSI escapes; the first line and lines above tables are bold."""
    lines = text.split("\n")
    painted = []
    for number, line in enumerate(lines):
        painted.append(_styled(line, "1") if number == 0 or _is_heading(lines, number) else _painted(line))
    return "\n".join(painted)


def _is_heading(lines: list[str], number: int) -> bool:
    """Does a line stand alone above a table?"""
    line, before, below = lines[number], lines[number - 1], lines[number + 1 : number + 2]
    is_first = bool(line) and not line.startswith(" ") and not before
    return (
        is_first
        and below != []
        and below[0].startswith("  ")
        and not any(pattern.search(line) for pattern, _ in _current_styles())
    )


def _painted(line: str) -> str:
    for pattern, style in _current_styles():
        line = pattern.sub(lambda match, style=style: _styled(match[0], style), line, count=1 if style != "35" else 0)
    return line


def _styled(text: str, style: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m"
