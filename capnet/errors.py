"""Errors that a user can fix. Each has an exit code; the command line prints the message and no traceback.

A message says what is wrong, where, and what to do about it.
"""

from __future__ import annotations

from enum import IntEnum


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


class EnvironmentLacks(CapnetError):
    """Docker, a program, a capability or a kernel feature is missing. The message says how to get it."""

    exit_code = Exit.LACKS


class ScenarioFailed(CapnetError):
    """A step of a scenario failed, or its packets do not show what its checks expect."""

    exit_code = Exit.FINDING
