"""Text out, to the terminal or whole into a file."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from capnet.cli.files import is_plain, is_there
from capnet.cli.interrupts import terminated_is_interrupted
from capnet.errors import UsageError

_NARROWEST, _WIDEST = 60, 100  # columns of a report


def report_columns(path: Path | None = None) -> int:
    """100 columns, in a narrower terminal those that it has: how wide a report is to be."""
    columns = terminal_columns() if path is None else None
    return _WIDEST if columns is None else max(_NARROWEST, min(columns, _WIDEST))


def table_columns() -> int:
    """As wide as the terminal, or a report where there is none: of tables that gain by more."""
    return terminal_columns() or _WIDEST


def terminal_columns() -> int | None:
    """How wide the terminal is that standard output goes to; None when it goes elsewhere."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def emit(text: str, path: Path | None = None) -> None:
    """Print `text`, or with `path` write it there: all of it or nothing."""
    if path is None:
        _print(text)
    else:
        try:
            _write(text.encode("utf-8"), path)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from error


def _print(text: str) -> None:
    if sys.stdout is None:
        raise UsageError("standard output is closed; open it, or write to a file with --output FILE")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except UnicodeEncodeError:  # a terminal that is not UTF-8: what it lacks becomes a question mark
        known = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(known, "replace").decode(known))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, less) has enough
        let_go_of_stdout()


def let_go_of_stdout() -> None:
    """To end quietly, also at interpreter exit: what is still to be written goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(data: bytes, path: Path) -> None:
    if is_there(path) and not is_plain(path):  # /dev/stdout, a named pipe: nothing that may be replaced
        path.write_bytes(data)
        return
    with terminated_is_interrupted(), whole(path) as file:
        file.write(data)


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file that is at `path` when the block has ended, all of it; after an exception nothing has changed there."""
    path = _at_the_end_of_links(path)  # not in their place
    # Of the name as much as leaves room for what mkstemp adds: names end at 255 bytes, and characters have up to 4.
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        Path(name).chmod(path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:  # also Ctrl-C: whatever ends this early, no half file stays behind
        Path(name).unlink(missing_ok=True)
        raise


def _at_the_end_of_links(path: Path) -> Path:
    try:
        found = path.resolve()
    except RuntimeError:  # a circle, as Python says it before 3.13; later ones return a link
        found = path
    if found.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return found


def _umask() -> int:
    """The umask can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
