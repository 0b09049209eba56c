"""Writes text to standard output, or completely or not at all into a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import BinaryIO, TextIO

from capnet import language
from capnet.cli.path_tests import is_plain, is_there
from capnet.errors import UsageError
from capnet.export.writers import COMPRESSED
from capnet.report.formats import format_of_suffix
from capnet.whole_file import not_written, whole

FOR_PEOPLE = ("table", "html", "markdown", "text")  # formats whose sentences are in the reader's language
NOT_TEXT = (  # suffixes of files that no report is in, and that a report as text would not open as
    ".arrow", ".csv", ".doc", ".docx", ".parquet", ".pcap", ".pcapng", ".pdf", ".png", ".svg", ".tsv", ".xlsx", ".yaml",
    ".yml",
)  # fmt: skip
MIN_COLUMNS, MAX_COLUMNS = 60, 200  # of a report: narrower tables cannot be read, wider ones have all their columns
DEFAULT_COLUMNS = 100  # without a terminal
STDOUT_CLOSED = "standard output is closed; open it, or write to a file with --output FILE"
_IN_ASCII = {
    "→": "->", "←": "<-", "↔": "<->", "▶": ">", "─": "-", "━": "-", "╌": "-", "│": "|", "└": "`", "├": "|", "┴": "+",
    "◆": "*", "●": "o", "◉": "o", "■": "#", "✗": "x", "·": "-", "−": "-", "–": "-", "…": "...", "µ": "u", "↳": ">",
    "↓": "v", "↑": "^", "“": '"', "”": '"',
}  # fmt: skip
UNWRAPPED = 10_000  # columns of a list that is piped: an entry is a line


def report_columns(path: Path | None = None) -> int:
    """Columns of a report: those of COLUMNS or the terminal, from 60 to 200; else 100."""
    columns = terminal_columns() if path is None else None
    return DEFAULT_COLUMNS if columns is None else max(MIN_COLUMNS, min(columns, MAX_COLUMNS))


def table_columns() -> int:
    """Terminal columns of a table that may be wider than a report: all that there are, 100 without a terminal."""
    return terminal_columns() or DEFAULT_COLUMNS


def terminal_columns() -> int | None:
    """COLUMNS, else the columns of the terminal that standard output goes to; None if it goes elsewhere."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked[:9]) > 0:
        return int(asked[:9])
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    from shutil import get_terminal_size  # it loads compressors, which a report on a pipe does not need

    return get_terminal_size().columns


def chosen_format(asked: str | None, path: Path | None, formats: Collection[str]) -> str:
    """The format that --format asks for, else that of the output's suffix, else the first of `formats`.

    Raises UsageError where the two contradict each other, for a suffix of a format that the command does not have, and
    for that of a compressed file.
    """
    named = format_of_suffix(path.suffix.lower()) if path is not None else None
    if path is not None and path.suffix.lower() in COMPRESSED:
        raise UsageError(f"--output {path}: reports are not compressed; leave it out, and pipe into a compressor")
    if asked is None:
        if named is not None and named not in formats:
            raise UsageError(f"--output {path}: this command writes {', '.join(formats)}, not {named}")
        if path is not None and path.suffix.lower() in NOT_TEXT:
            raise UsageError(f"--output {path}: this command writes {', '.join(formats)}, not {path.suffix[1:]}")
    elif named not in (None, asked):
        raise UsageError(f"--format {asked} and --output {path} contradict each other: name the file otherwise")
    chosen = asked or named or next(iter(formats))
    if chosen not in FOR_PEOPLE:
        language.use_for_programs()
    return chosen


def show(text: str | Iterable[str], path: Path | None = None, color: str = "never", is_paged: bool = False) -> None:
    """As `emit`, for what a person reads: in colour, and in a pager if it is longer than the screen."""
    if isinstance(text, str) and (color != "never" or is_paged):
        from capnet.cli import colors, pager

        if colors.is_wanted(color, path is not None):
            text = colors.colored(text)
        if is_paged and path is None and pager.show(text):
            return
    emit(text, path)


def emit(text: str | Iterable[str], path: Path | None = None) -> None:
    """Prints text, or writes it to `path`, all of it or nothing; raises UsageError if it cannot be written.

    Text in pieces is written piece by piece, so that only one of them is in memory.
    """
    pieces = [text] if isinstance(text, str) else text
    if path is None:
        _print(pieces)
    else:
        try:
            _write(pieces, path)
        except OSError as error:
            raise not_written(path, error) from error


def _print(pieces: Iterable[str]) -> None:
    if sys.stdout is None:
        raise UsageError(STDOUT_CLOSED)
    encoding = sys.stdout.encoding or "ascii"
    try:
        for text in pieces:
            try:
                sys.stdout.write(text)
            except UnicodeEncodeError:  # a terminal that is not UTF-8
                sys.stdout.write(_in_encoding(text, encoding))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, less) has enough
        let_go_of_stdout()


def _in_encoding(text: str, encoding: str) -> str:
    """`text` with what an encoding lacks in ASCII: `->` for an arrow, a question mark for letters."""

    def replacement(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        return "".join(_IN_ASCII.get(char, "?") for char in error.object[error.start : error.end]), error.end

    from codecs import register_error

    register_error("capnet-ascii", replacement)
    return text.encode(encoding, "capnet-ascii").decode(encoding)


def binary_stdout(what: str, *, may_be_terminal: bool = False) -> BinaryIO:
    """Standard output, for octets. UsageError if it is closed, or a terminal; `what` would be written there."""
    if sys.stdout is None:
        raise UsageError(STDOUT_CLOSED)
    if sys.stdout.isatty() and not may_be_terminal:
        raise UsageError(f"-o - would write {what} to the terminal; name a file, or pipe it on")
    return sys.stdout.buffer


def is_let_go_of(stream: TextIO | None) -> bool:
    """Whether a stream leads into a pipe that is read no more: not every broken pipe is that of standard output."""
    if stream is None or stream.closed:
        return False
    import select

    poll = select.poll()
    poll.register(stream.fileno(), select.POLLOUT)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def let_go_of_stdout() -> None:
    """Sends standard output to /dev/null, so that nothing still to be written fails, not even at interpreter exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(pieces: Iterable[str], path: Path) -> None:
    if is_there(path) and not is_plain(path):  # /dev/stdout, a named pipe: nothing that may be replaced
        with path.open("wb") as file:
            file.writelines(text.encode("utf-8") for text in pieces)
        return
    from capnet.interrupts import Interruptible  # only here: a report for the terminal does without it

    with Interruptible(), whole(path) as file:
        file.writelines(text.encode("utf-8") for text in pieces)
