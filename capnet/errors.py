"""The errors a person may meet. Each carries its exit code; the command line prints the message and nothing else.

Messages say what, where and what to do about it.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    FINDING = 1  # a finding at or above --fail-on
    USAGE = 2
    UNREADABLE = 3  # an input cannot be read at all
    LACKS = 4  # the environment lacks something
    INTERRUPTED = 130


class CapnetError(Exception):
    """Base of all errors that are a person's to fix, not ours."""

    exit_code = Exit.USAGE


class UsageError(CapnetError):
    """The call makes no sense as it stands."""


class UnreadableInput(CapnetError):
    """An input is missing, unreadable or no capture at all."""

    exit_code = Exit.UNREADABLE


class EnvironmentLacks(CapnetError):
    """Docker, a program, a capability or a kernel feature is missing; the message says how to get it."""

    exit_code = Exit.LACKS


class ScenarioFailed(CapnetError):
    """A scenario ran but a step failed, or its packets do not show what it claims."""

    exit_code = Exit.FINDING
