"""The captures of a fleet: what folders, patterns, lists and files name.

    captures/            a folder: every capture below it
    'captures/**/*.pcap' a pattern of glob
    names.txt, -         a list, or standard input: one of these a line, or each with a NUL behind it (find -print0)
    web.pcap             a capture

A capture is a file, or the files of a ring (`analysis.core.rings`): one point, written into one file after the other.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from glob import glob, has_magic
from pathlib import Path

from capnet.analysis.core.sources import Source
from capnet.errors import UnreadableInput, UsageError
from capnet.wire.formats import is_capture_name

LIST_SUFFIXES = (".txt", ".list")


def named_captures(names: Iterable[str], left_out: Path) -> list[Source]:
    """The captures that are named, by their absolute paths; files below `left_out`, where results go, are none, unless
    the name itself leads there.

    Raises UsageError for what makes no sense, UnreadableInput for a folder or a list that cannot be read, and where no
    file is there.
    """
    files: dict[str, None] = {}
    results = _absolute(os.fspath(left_out))
    for name in names:
        is_of_results = _is_below(_absolute(name), results)
        paths = map(_absolute, _files(name))
        files.update((path, None) for path in paths if is_of_results or not _is_below(path, results))
    if files and not any(map(os.path.lexists, files)):
        raise UnreadableInput(f"{next(iter(files))}: {os.strerror(errno.ENOENT)}")
    return joined_rings(map(Path, files))


def _absolute(name: str) -> str:
    """The path of a name; links stay as they are."""
    return os.path.abspath(name)  # noqa: PTH100


def _is_below(path: str, folder: str) -> bool:
    return f"{path}{os.sep}".startswith(f"{folder.rstrip(os.sep)}{os.sep}")


def joined_rings(files: Iterable[Path]) -> list[Source]:
    """A source for each file, or for the files of a ring."""
    from capnet.analysis.core.rings.file_names import joined

    return joined(Source(file) for file in files)


def _files(name: str, is_listed: bool = False) -> Iterator[str]:
    """The files that an argument, or a line of a list, names. A file that is not there is one too: it fails later."""
    if not name:
        raise UsageError("an empty name is no file; is a variable empty?")
    if name == "-" or name.lower().endswith(LIST_SUFFIXES):
        if is_listed:
            raise UsageError(f"{name}: a list in a list; name its captures instead")
        for line in _lines(name):
            yield from _files(line, is_listed=True)
    elif Path(name).is_dir():
        yield from _below(name)
    elif has_magic(name) and not Path(name).exists():
        matches = sorted(glob(name, recursive=True))  # noqa: PTH207  (as it is written, relative or absolute)
        if not matches:
            raise UnreadableInput(f"{name}: no file has such a name")
        for match in matches:
            yield from _below(match) if Path(match).is_dir() else (match,)
    else:
        yield name


def _lines(name: str) -> list[str]:
    """The lines of a list, without empty ones and comments; of a list with NULs what is between them, as it is."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UnreadableInput(f"{name}: {error.strerror or error}") from error
    if "\0" in text:
        return [item for item in text.split("\0") if item]
    return [line for line in map(str.strip, text.split("\n")) if line and not line.startswith("#")]


def _below(folder: str) -> Iterator[str]:
    """The captures below a folder, by name; links to folders are not followed, since they may form a circle."""

    def refuse(error: OSError) -> None:
        raise UnreadableInput(f"{error.filename or folder}: {error.strerror or error}") from error

    for path, folders, files in os.walk(folder, onerror=refuse):
        folders.sort()
        yield from (f"{path}/{file}" for file in sorted(files) if is_capture_name(file))
