"""Numbers, times and lengths of text as a person reads them. Widths are terminal columns, not characters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache

from capnet import language

MINUS = "−"
MIN_DELAY_US = 1  # µs; what is below is the precision of clocks and of files with microseconds, not a delay
MIN_DAYS = 4  # less is written in hours
BROKEN = "↳"  # before the rest of a word that is longer than a line, so that no name from a capture begins a line

# Characters that take one column each: Latin, and the dashes, arrows and lines of the reports' own. Tables of all the
# others (`wcwidth`) take longer to load than a small report to write.
NARROW = r" -~\xa1-\xac\xae-\u02ff\u2010-\u2027\u2190-\u22ff\u2500-\u257f▶●◆"
_narrow = re.compile(f"[{NARROW}]*").fullmatch

# Chinese is broken between any two characters, but not before a closing mark or after an opening one.
_HAN, _CLOSING, _OPENING = "\u2e80-\u9fff\uff00-\uffef", "，。；：、？！）”", "（“"
_PIECE = rf"[{_OPENING}]*(?![{_OPENING}])[{_HAN}][{_CLOSING}]*|[{_OPENING}]*[^{_HAN}{_OPENING}]+[{_CLOSING}]*"


def columns(text: str) -> int:
    """Terminal columns that `text` takes: two for a wide CJK character, none for a combining one."""
    if text.isascii() or _narrow(text):
        return len(text)
    from wcwidth import wcswidth

    return max(wcswidth(text), 0)


@cache
def _column(char: str) -> int:
    """Terminal columns of one character."""
    from wcwidth import wcwidth

    return max(wcwidth(char), 0)


def pieces(text: str, width: int) -> list[str]:
    """`text` broken into pieces of at most `width` columns, wherever a piece is full; nothing is left out."""
    if columns(text) <= width:
        return [text]
    if _narrow(text):
        return [text[at : at + width] for at in range(0, len(text), width)]
    broken, used = [""], 0
    for char in text:
        used += _column(char)
        if used > width and broken[-1]:
            broken.append("")
            used = _column(char)
        broken[-1] += char
    return broken


def fill(text: str, width: int, indent: str = "", hanging: str | None = None, breaks_chinese: bool = True) -> list[str]:
    """Lines of at most `width` columns, broken at spaces and in Chinese text; a longer word goes on behind ↳."""
    rest = indent if hanging is None else hanging
    lines: list[str] = []
    line, empty = indent, True
    for space, word in _words(text) if breaks_chinese else ((" ", word) for word in text.split(" ")):
        if not empty and columns(line) + len(space) + columns(word) > width:
            lines.append(line)
            line, empty = rest, True
        room = max(width - max(columns(line), columns(rest)), 2)
        first, *others = [word] if not empty or columns(word) <= room else pieces(word, room - 1)
        line = line + first if empty else f"{line}{space}{first}"
        for piece in others:
            lines.append(line)
            line = rest + BROKEN + piece
        empty = False
    return [*lines, line]


def padded(text: str, width: int) -> str:
    """`text` with spaces behind it up to `width` columns."""
    return text + " " * (width - columns(text))


def words(text: str) -> list[str]:
    """The parts of a text that may stand on lines of their own."""
    return [word for line in text.split() for _, word in _words(line)]


def _words(text: str) -> Iterator[tuple[str, str]]:
    """(what separates it from the one before, word): words between spaces, and characters of Chinese."""
    is_chinese = language.is_chinese() and not text.isascii()
    for word in text.split(" "):
        pieces_of_word = re.findall(_PIECE, word) if is_chinese and not _narrow(word) else [word]
        for index, piece in enumerate(pieces_of_word or [word]):
            yield "" if index else " ", piece


def number(value: int) -> str:
    """1234567 → `1,234,567`; −1 with a true minus sign."""
    return f"{value:,}".replace("-", MINUS)


def count(value: int, noun: str, plural: str | None = None) -> str:
    """`1 packet`, `2 packets`, `1,234 packets`; in Chinese with its measure word."""
    if language.is_chinese():
        from capnet.chinese import counted

        return f"{number(value)} {counted(noun)}"
    return f"{number(value)} {noun if value == 1 else plural or noun + 's'}"


def size(value: int) -> str:
    """Bytes in powers of ten, three figures: `812 B`, `1.23 MB`."""
    if value < 1000:
        return f"{value} B"
    scaled = float(value)
    for unit in ("kB", "MB", "GB", "TB"):
        scaled /= 1000
        if scaled < 999.5 or unit == "TB":
            break
    return f"{_three_figures(scaled)} {unit}"


def duration(microseconds: float) -> str:
    """Three figures: `40 ns`, `5.5 µs`, `31 µs`, `1.23 ms`, `4.20 s`, `3 min 20 s`, `2 h 5 min`, `19 days`."""
    value = abs(microseconds)
    sign = MINUS if microseconds < 0 else ""
    if value < 0.95:
        return f"{sign}{value * 1000:.0f} ns" if round(value * 1000) else "0"
    if value < 9.95:
        return f"{sign}{round(value, 1):g} µs"
    if value < 999.5:
        return f"{sign}{value:.0f} µs"
    if value < 999_500:
        return f"{sign}{_three_figures(value / 1e3)} ms"
    seconds = value / 1e6
    if seconds < 99.5:
        return f"{sign}{_three_figures(seconds)} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    if hours >= MIN_DAYS * 24:
        return sign + count(hours // 24, "day")
    return f"{sign}{hours} h {minutes} min" if hours else f"{sign}{minutes} min {seconds:.0f} s"


def delay(microseconds: float) -> str:
    """The time between two points: `31 µs`; below 1 µs, clocks and their readings tell no more than `<1 µs`."""
    return "<1 µs" if abs(microseconds) < MIN_DELAY_US else duration(microseconds)


def moment(iso: str) -> str:
    """`2026-11-23T22:14:03.000000001Z` → `2026-11-23 22:14:03 UTC`."""
    return iso[:19].replace("T", " ") + " UTC"


def span(first: str, last: str) -> float:
    """Microseconds between two ISO times of the document."""
    seconds = (datetime.fromisoformat(last[:19]) - datetime.fromisoformat(first[:19])).total_seconds()
    return seconds * 1e6 + (int(last[20:29]) - int(first[20:29])) / 1e3


def percent(share: float) -> str:
    """One decimal below ten: `4.2 %`, `37 %`."""
    return f"{share:.1f} %" if abs(share) < 9.95 else f"{share:.0f} %"


def listing(words: Sequence[str], most: int = 4) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b, c and 9 more`."""
    if language.is_chinese():
        if len(words) > most:
            return "、".join(words[: most - 1]) + f" 等 {number(len(words))} 个"
        return language.enumerated(words)
    if len(words) > most:
        words = [*words[: most - 1], f"{number(len(words) - most + 1)} more"]
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]


def spelled(value: int) -> str:
    """Small counts as words, capitalised: `Two`, `12`."""
    if language.is_chinese():
        return number(value)
    words = (
        "No",
        "One",
        "Two",
        "Three",
        "Four",
        "Five",
        "Six",
        "Seven",
        "Eight",
        "Nine",
        "Ten",
        "Eleven",
        "Twelve",
    )
    return words[value] if value < len(words) else number(value)


def _three_figures(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
