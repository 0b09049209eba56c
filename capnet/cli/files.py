"""Questions about paths that people give. What cannot be asked (a name too long, a folder that is closed) is answered
with no: whoever opens the path then learns why, and says it."""

from __future__ import annotations

from pathlib import Path


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def is_there(path: Path) -> bool:
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
