"""The mark of capnet in files that it installs: the last line, a comment with version and digest.

Only what carries the mark and has its digest is capnet's: it may be replaced and removed. What a person or Wireshark
has written since stays.
"""

from __future__ import annotations

import re
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from capnet import __version__
from capnet.quick_tuple import NamedTuple

_MARK = re.compile(r"(?s)(.*\n)(?:#|--) capnet-wireshark (\S+) sha256=([0-9a-f]{64})\n")
MAX_FILE = 1 << 20  # bytes; capnet's own have some thousand


class FileState(StrEnum):
    """What is at the place of a file."""

    ABSENT = "not installed"
    CURRENT = "installed"
    OUTDATED = "outdated"  # capnet's, but not what it would install now
    EDITED = "edited"  # capnet's once
    FOREIGN = "not capnet's"


class Installed(NamedTuple):
    """A file's state, and the version of capnet that wrote it."""

    state: FileState
    version: str | None = None


def marked(text: str, comment: str) -> str:
    """`text` with the mark behind it; `comment` is what begins a comment in its language."""
    return f"{text}{comment} capnet-wireshark {__version__} sha256={_digest(text)}\n"


def look_at(path: Path, text: str) -> Installed:
    """What is at `path`, where `text` would be installed. Raises OSError if it cannot be read."""
    if not path.exists() and not path.is_symlink():
        return Installed(FileState.ABSENT)
    if not path.is_file():
        return Installed(FileState.FOREIGN)
    with path.open("rb") as file:
        present = file.read(MAX_FILE).decode("utf-8", "replace")
    mark = _MARK.fullmatch(present)
    if mark is None:
        return Installed(FileState.FOREIGN)
    if _digest(mark[1]) != mark[3]:
        return Installed(FileState.EDITED, mark[2])
    return Installed(FileState.CURRENT if present == text else FileState.OUTDATED, mark[2])


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
