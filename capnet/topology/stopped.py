"""Containers that do not run, in words."""

from __future__ import annotations

from collections.abc import Iterable

from capnet.topology import StoppedContainer

MAX_NAMES = 5  # in one sentence


def stopped_names(stopped: Iterable[StoppedContainer]) -> str:
    """`shop-api-1 (exited with 137), job (created) and 3 more`."""
    names = [f"{each.name} ({state_of(each)})" for each in stopped]
    rest = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def state_of(container: StoppedContainer) -> str:
    """`exited with 137`, `created`."""
    return container.state if container.exit_code is None else f"{container.state} with {container.exit_code}"
