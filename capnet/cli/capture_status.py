"""What a running capture shows: a line for each point, redrawn in place on a terminal, and a table at its end."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING

from capnet import language
from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple
from capnet.report.escape import visible
from capnet.report.text import columns, count, number, size

if TYPE_CHECKING:
    from pathlib import Path

    from capnet.record.live.session import LiveCapture

INTERVAL_S = 1.0  # of redrawing
_MIN_NAME = 12  # columns that a point's name keeps in the narrowest terminal
_HEADS = (
    Text(en="point", zh="抓包点"), Text(en="packets", zh="包数"), Text(en="bytes", zh="字节"),
    Text(en="dropped", zh="丢弃"),
)  # fmt: skip
_CLEAR_LINE, _UP = "\x1b[K", "\x1b[{}A"


class PointStatus(NamedTuple):
    """What a point has captured so far. `dropped` is None while nothing says it; `ended` is why it has ended."""

    name: str
    packets: int
    wire_bytes: int
    dropped: int | None
    ended: str | None = None


def table(points: Sequence[PointStatus], width: int, most: int | None = None) -> list[str]:
    """A heading and a line for each point, no longer than `width`; beyond `most` lines, how many are left out.

    Then the busiest come first. Points that have ended are marked.
    """
    if most is not None and len(points) >= most:
        points = sorted(points, key=lambda point: -point.packets)
    cells = [
        (number(point.packets), size(point.wire_bytes), "–" if point.dropped is None else number(point.dropped))
        for point in points
    ]
    first, *heads = (head.fill() for head in _HEADS)
    widths = [max(columns(head), *(len(row[i]) for row in cells), 7) for i, head in enumerate(heads)]
    ended = Text(en=" (ended)", zh="（已结束）").fill()
    names = [visible(point.name) + (ended if point.ended else "") for point in points]
    room = max(_MIN_NAME, width - sum(widths) - 2 * len(widths))
    name_width = min(room, max(map(columns, (*names, first))))
    rows = [_row(first, heads, name_width, widths)]
    rows += [_row(name, row, name_width, widths) for name, row in zip(names, cells, strict=True)]
    if most is not None and len(rows) > most:
        left_out = len(rows) - most + 1
        more = Text(en="… and {points} more", zh="…… 另有 {points}").fill(points=count(left_out, "point"))
        rows = [*rows[: most - 1], more]
    return rows


def _row(name: str, cells: Sequence[str], name_width: int, widths: Sequence[int]) -> str:
    """A line of the table: names to the left, numbers to the right. The end of a name says more than its beginning."""
    if columns(name) > name_width:
        name = "…" + name[len(name) - name_width + 1 :]
    padding = " " * (name_width - columns(name))
    numbers = (" " * (2 + width - columns(cell)) + cell for cell, width in zip(cells, widths, strict=True))
    return name + padding + "".join(numbers)


def total(points: Sequence[PointStatus], seconds: float, target: str, width: int) -> str:
    """`0:12 · 3,702 packets, 1.2 MB → web.pcapng · Ctrl-C ends the capture`, the end left out where it is too long."""
    minutes, rest = divmod(int(seconds), 60)
    packets = count(sum(point.packets for point in points), "packet")
    text = f"{minutes}:{rest:02} · {packets}, {size(sum(point.wire_bytes for point in points))}"
    for part in (f" → {visible(target)}", Text(en=" · Ctrl-C ends the capture", zh=" · Ctrl-C 结束抓包").fill()):
        if columns(text + part) <= width:
            text += part
    return text


def statuses(live: LiveCapture) -> list[PointStatus]:
    """The status of each point."""
    return [PointStatus(tap.point.name, tap.packets, tap.wire_bytes, tap.dropped, tap.ended) for tap in live.taps]


class Screen:
    """Standard error while a capture runs: redrawn lines on a terminal, plain lines elsewhere."""

    def __init__(self, target: str, *, is_reported: bool = False) -> None:
        self.target = target
        self.is_reported = is_reported  # by capnet itself, when it ends
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._drawn = 0  # lines
        self._due = 0.0
        self._began = monotonic()

    def say(self, line: str) -> None:
        """Prints a line above the redrawn ones."""
        self._erase()
        self._write(f"{visible(language.message(line), chr(10))}\n")
        self._due = 0.0

    def note(self, line: str) -> None:
        """Prints a line that tells of nothing wrong."""
        self.say(line)

    def announce(self, points: Sequence[str]) -> None:
        """Says that all points are listened at, and where packets go; names them where they are not drawn below."""
        self._began = monotonic()
        names = "" if self._is_terminal else f": {', '.join(points)}"
        began = Text(
            en="capturing at {points}{names}\ninto {target}; Ctrl-C ends it",
            zh="在 {points}上抓包{names}\n写入 {target}；Ctrl-C 结束",
        )
        self.say(began.fill(points=count(len(points), "point"), names=names, target=language.message(self.target)))

    def show(self, live: LiveCapture) -> None:
        """Redraws the lines, once a second."""
        if not self._is_terminal or monotonic() < self._due:
            return
        self._due = monotonic() + INTERVAL_S
        width, height = self._size()
        points = statuses(live)
        lines = [*table(points, width, height - 2), total(points, monotonic() - self._began, self.target, width)]
        up = _UP.format(self._drawn) if self._drawn else ""
        rest = "\x1b[J" if self._drawn > len(lines) else ""
        self._write("\r" + up + rest + "".join(f"{line}{_CLEAR_LINE}\n" for line in lines))
        self._drawn = len(lines)

    def end(self, live: LiveCapture, paths: Sequence[Path]) -> None:
        """Prints the table as it is in the end, what ended early, and where the packets are."""
        self._erase()
        points = statuses(live)
        for line in table(points, self._size()[0]):
            self._write(f"{line}\n")
        packets = count(live.written, "packet")
        if len(paths) > 1:
            kept = Text(
                en="{packets}; the files on disk are {first} to {last}",
                zh="{packets}；磁盘上的文件是 {first} 到 {last}",
            ).fill(packets=packets, first=visible(str(paths[0])), last=visible(str(paths[-1])))
        else:
            kept = Text(en="{packets} in {file}", zh="{packets}，写入 {file}").fill(
                packets=packets, file=visible(str(paths[0]) if paths else self.target)
            )
        self._write(f"{kept}\n")
        if self._is_terminal and paths and live.written and not self.is_reported:
            explain = Text(en="explain it: capnet analyze {file}", zh="解读：capnet analyze {file}")
            self._write(explain.fill(file=shlex.quote(visible(str(paths[-1])))) + "\n")

    def _erase(self) -> None:
        if self._drawn:
            self._write("\r" + _UP.format(self._drawn) + "\x1b[J")
            self._drawn = 0

    def _size(self) -> tuple[int, int]:
        from os import get_terminal_size

        if not self._is_terminal:
            return 100, 1000
        try:
            columns_, lines = get_terminal_size(sys.stderr.fileno())
        except OSError:
            columns_ = lines = 0
        if not columns_ or not lines:  # a terminal that has not been told its size
            return 79, 24
        return max(columns_, 40) - 1, max(lines, 6)

    def _write(self, text: str) -> None:
        if sys.stderr is None:
            return
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:  # the terminal has gone: what is captured matters more
            pass
        except UnicodeEncodeError:
            encoding = sys.stderr.encoding or "ascii"
            sys.stderr.write(text.encode(encoding, "replace").decode(encoding))
