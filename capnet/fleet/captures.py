"""The captures of a fleet: what folders, patterns, lists and files name.

    captures/            a folder: every capture below it
    'captures/**/*.pcap' a pattern of glob
    names.txt, -         a list, or standard input: one of these a line
    web.pcap             a capture

A capture is a file, or the files of a ring (`analysis.core.rings`): one point, written into one file after the other.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from glob import glob, has_magic
from pathlib import Path

from capnet.analysis.core.sources import Source
from capnet.errors import UnreadableInput, UsageError
from capnet.wire.formats.compression import SUFFIXES

LIST_SUFFIXES = (".txt", ".list")
_COMPRESSED = "|".join(map(re.escape, SUFFIXES))
_is_capture_name = re.compile(rf"(?i).*\.(?:pcapng|pcap|cap)\d*(?:{_COMPRESSED})?").fullmatch


def named_captures(names: Iterable[str], left_out: Path) -> list[Source]:
    """The captures that are named, by their absolute paths; files below `left_out`, where results go, are none.

    Raises UsageError for what makes no sense, UnreadableInput for a folder or a list that cannot be read.
    """
    files: dict[str, None] = {}
    for name in names:
        files.update((os.path.abspath(file), None) for file in _files(name))  # noqa: PTH100  (links stay as they are)
    results = f"{os.path.abspath(left_out)}{os.sep}"  # noqa: PTH100
    return joined_rings([Path(file) for file in files if not file.startswith(results)])


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
    """The lines of a list, without empty ones and comments."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UnreadableInput(f"{name}: {error.strerror or error}") from error
    return [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]


def _below(folder: str) -> Iterator[str]:
    """The captures below a folder, by name; links to folders are not followed, since they may form a circle."""

    def refuse(error: OSError) -> None:
        raise UnreadableInput(f"{error.filename or folder}: {error.strerror or error}") from error

    for path, folders, files in os.walk(folder, onerror=refuse):
        folders.sort()
        yield from (f"{path}/{file}" for file in sorted(files) if _is_capture_name(file))
