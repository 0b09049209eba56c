"""The screen of `capnet watch` and `analyze --follow`: a terminal's second screen, redrawn in place; `q` ends.

A thread of its own draws and reads keys, since the main thread waits for packets. Everything that is changed of the
terminal is changed back, however the block ends.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Event, Thread
from time import monotonic
from typing import IO, TYPE_CHECKING

from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from capnet.analysis.core.contract.document import Document
    from capnet.analysis.core.options import Options
    from capnet.analysis.engine import Study
    from capnet.analysis.facts.volume.flow_rates import FlowRate, Volumes

DEFAULT_INTERVAL_S = 1.0
MAX_SHARE = 4  # a look takes at most a quarter of the time: what takes long is done less often
_KEY_INTERVAL_S = 0.1
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # second screen, cursor hidden
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


class Look(NamedTuple):
    """What was captured at a moment of the monotonic clock."""

    taken: float
    volumes: Volumes
    document: Document
    rates: list[FlowRate]


class LiveScreen:
    """Give `between` to `engine.study`, and `waiting` to its options; `stop` is called when `q` was pressed."""

    def __init__(self, stop: Callable[[], object], interval: float = DEFAULT_INTERVAL_S) -> None:
        self._stop = stop
        self._interval = interval
        self._due = 0.0
        self._look: Look | None = None
        self._study_so_far: Callable[[], Study] | None = None  # of blocks that no look has shown
        self._has_rates = False
        self._last_packet = monotonic()
        self._ended = Event()
        self.lines: list[str] = [Text(en="Waiting for packets …", zh="正在等待包……").fill()]

    def reading(self, options: Options) -> Options:
        """Options for reading what is shown here."""
        from capnet.wire.decode import decode

        # Points are complete only where one thread reads, and a compiler is not waited for.
        return replace(options, threads=1, compiled=decode.is_cached(), waiting=self.waiting)

    def between(self, study_so_far: Callable[[], Study]) -> None:
        """There is a block more: takes a look, if one is due."""
        self._last_packet = monotonic()
        self._study_so_far = study_so_far
        self.waiting()

    def waiting(self) -> None:
        """Takes the look that is due, if there is something new; without packets, nothing flows any more."""
        now = monotonic()
        if now < self._due:
            return
        if self._study_so_far:
            self.look(self._study_so_far())
            self._study_so_far = None
        elif self._look and self._has_rates and now - self._last_packet >= self._interval:
            self._lay_out(
                self._look.document,
                [rate._replace(packets_per_second=0, bytes_per_second=0) for rate in self._look.rates],
            )
            self._has_rates = False
        self._due = monotonic() + max(self._interval, MAX_SHARE * (monotonic() - now))

    def look(self, study: Study) -> None:
        """Shows what a study says."""
        from capnet.analysis.facts.volume.flow_rates import flow_rates, volumes

        now, earlier = monotonic(), self._look
        rates = flow_rates(study.context, *((earlier.volumes, now - earlier.taken) if earlier else (None, 1.0)))
        self._look = Look(now, volumes(study.context), study.report.to_dict(), rates)
        self._lay_out(self._look.document, rates)
        self._has_rates = True

    def _lay_out(self, document: Document, rates: list[FlowRate]) -> None:
        from capnet.report.live_view import live_lines

        width, height = _size()
        self.lines = live_lines(document, rates, width, height - 1)

    def draw(self, terminal: IO[str]) -> None:
        """Draws the last look, and below it how old it is and how to end."""
        width, height = _size()
        lines = self.lines[: height - 1]
        silent = int(monotonic() - self._last_packet)
        from capnet.report.live_view import fit

        footer = Text(en="q ends", zh="q 结束").fill()
        if silent >= 2:
            footer += Text(en=" · no packets for {silent} s", zh=" · {silent} 秒没有包").fill(silent=silent)
        padded = [*lines, *[""] * (height - 1 - len(lines)), fit(footer, width)]
        terminal.write(_HOME + f"{_CLEAR_LINE}\n".join(padded) + _CLEAR_LINE + _CLEAR_BELOW)
        terminal.flush()

    def run(self, terminal: IO[str], keys: int | None) -> None:
        """Draws and reads keys until the block of `shown` ends."""
        drawn = 0.0
        while not self._ended.is_set():
            if monotonic() - drawn >= min(self._interval, DEFAULT_INTERVAL_S):
                self.draw(terminal)
                drawn = monotonic()
            if keys is None:
                self._ended.wait(_KEY_INTERVAL_S)
            elif select.select([keys], [], [], _KEY_INTERVAL_S)[0] and os.read(keys, 64)[:1] in (b"q", b"Q", b""):
                self._stop()
                keys = None  # once is enough

    def end(self) -> None:
        """Ends drawing."""
        self._ended.set()


@contextmanager
def shown(screen: LiveScreen) -> Iterator[None]:
    """The screen on standard error, a terminal, while the block runs; `q` is read from the controlling terminal."""
    terminal = sys.stderr
    keys = _open_keys()
    with _unbuffered_keys(keys):
        terminal.write(_ENTER)
        drawing = Thread(target=screen.run, args=(terminal, keys), daemon=True)
        drawing.start()
        try:
            yield
        finally:
            screen.end()
            drawing.join()
            terminal.write(_LEAVE)
            terminal.flush()
    if keys is not None:
        os.close(keys)


def is_possible() -> bool:
    """Whether standard error is a terminal that can be drawn on."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _open_keys() -> int | None:
    """The controlling terminal: standard input may be a capture."""
    with suppress(OSError):
        return os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    return None


@contextmanager
def _unbuffered_keys(keys: int | None) -> Iterator[None]:
    """Keys arrive one by one and are not shown; Ctrl-C stays a signal."""
    if keys is None:
        yield
        return
    import termios

    before = termios.tcgetattr(keys)
    now = termios.tcgetattr(keys)
    now[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(keys, termios.TCSADRAIN, now)
    try:
        yield
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


def _size() -> tuple[int, int]:
    """Columns and lines of the terminal; the last column stays free, where some terminals begin a new line."""
    try:
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        columns, lines = 80, 24
    return max(columns, 40) - 1, max(lines, 8)
