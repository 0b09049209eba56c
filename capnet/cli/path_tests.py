"""Tests of paths that people give. A path that cannot be tested (a name too long, a closed folder) fails the test;
the open() that follows then reports why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def is_folder(path: Path) -> bool:
    """A folder that may be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_there(path: Path) -> bool:
    """A file or folder of any kind."""
    try:
        return path.exists()
    except OSError:
        return False


def is_plain(path: Path) -> bool:
    """A regular file: one that can be read twice, and be replaced."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_any_of(path: Path, others: Iterable[Path]) -> bool:
    """The same file as one of the others, by whatever name."""
    return is_there(path) and any(path.samefile(other) for other in others if is_there(other))
