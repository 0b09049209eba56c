"""Containers that do not run, in words, and those that joined the network of one which has ended since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from capnet.topology import Container, StoppedContainer

MAX_NAMES = 5  # in one sentence
_SHORT_ID = 12  # characters, as `docker ps` prints them


def stopped_names(stopped: Iterable[StoppedContainer]) -> str:
    """`shop-api-1 (exited with 137), job (created) and 3 more`."""
    names = [f"{each.name} ({state_of(each)})" for each in stopped]
    rest = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def state_of(container: StoppedContainer) -> str:
    """`exited with 137`, `created`."""
    return container.state if container.exit_code is None else f"{container.state} with {container.exit_code}"


def resolve_owners(containers: Sequence[Container], stopped: Sequence[StoppedContainer]) -> None:
    """Names whose namespace each container of mode `container:ID` uses, or whose it has lost; all are of one host."""
    running, ended = {each.id: each for each in containers}, {each.id: each.name for each in stopped}
    for container in containers:
        mode, _, other = container.network_mode.partition(":")
        owner = running.get(other)
        if mode == "container" and owner and not _are_apart(container, owner):
            container.shares_network_with = owner.name
        elif mode == "container":
            container.lost_network_of = owner.name if owner else ended.get(other, other[:_SHORT_ID])


def _are_apart(container: Container, owner: Container) -> bool:
    """Do both have files of namespaces that differ? Of one namespace, a survey of a host lists one file only."""
    files = (container.netns or "", owner.netns or "")
    return files[0] != files[1] and all(file.startswith("/proc/") for file in files)
