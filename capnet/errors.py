"""Errors that a user can fix. Each has an exit code; the command line prints the message and no traceback.

A message says what is wrong, where, and what to do about it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MAX_LOOKED_AT = 1000  # files of a folder, for a name that is alike: some milliseconds


class Exit(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    FINDING = 1  # a finding at or above --fail-on; nothing matches (trace)
    USAGE = 2
    UNREADABLE = 3  # an input cannot be read at all
    LACKS = 4  # the environment lacks something
    INTERRUPTED = 130


class CapnetError(Exception):
    """Base of all errors that a user can fix."""

    exit_code = Exit.USAGE


class UsageError(CapnetError):
    """Options or arguments are wrong, or do not go together."""


class RefusedQuery(CapnetError):
    """A query in SQL that the database refuses; it says so in several lines."""


class UnreadableInput(CapnetError):
    """An input is missing, cannot be read, or is no capture."""

    exit_code = Exit.UNREADABLE


def unreadable(path: Path, error: OSError) -> UnreadableInput:
    """The error of a file that cannot be opened; of one that is missing, with the files beside it called alike.

    Of a link, where it leads.
    """
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return UnreadableInput(f"{path}: is a link to {path.readlink()}, which is not there")
    reason = error.strerror or str(error)
    if isinstance(error, FileNotFoundError) and (similar := _similar_files(path)):
        return UnreadableInput(f"{path}: {reason}; nearest: {', '.join(similar)}")
    return UnreadableInput(f"{path}: {reason}")


def _similar_files(path: Path) -> list[str]:
    from difflib import get_close_matches
    from itertools import islice

    try:
        names = [entry.name for entry in islice(path.parent.iterdir(), _MAX_LOOKED_AT)]
    except OSError:
        return []
    return [str(path.with_name(name)) for name in get_close_matches(path.name, names, 2, 0.8)]


class EnvironmentLacks(CapnetError):
    """Docker, a program, a capability or a kernel feature is missing. The message says how to get it."""

    exit_code = Exit.LACKS


class ScenarioFailed(CapnetError):
    """A step of a scenario failed, or its packets do not show what its checks expect."""

    exit_code = Exit.FINDING
