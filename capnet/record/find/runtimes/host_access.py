"""Reaches the host that a command is about: its Docker daemon, else the containerd or CRI-O on that machine."""

from __future__ import annotations

import os
from collections.abc import Callable

from capnet.errors import EnvironmentLacks
from capnet.record.find.runtimes.bundles import list_bundles
from capnet.record.remote.docker_host import connect, docker_default
from capnet.record.remote.docker_urls import parsed_url
from capnet.record.remote.nodes.node_host import NodeHost, open_node
from capnet.record.remote.nodes.reached_host import ReachedHost


def reach(
    url: str | None = None,
    *,
    name: str | None = None,
    say: Callable[[str], None] = lambda line: None,
    may_start: bool = True,
) -> ReachedHost:
    """Opens the host at `url`; None means what Docker itself would use. The caller closes it.

    Where no daemon answers, it is the machine itself, if containerd or CRI-O run a container there.
    Raises as `connect`.
    """
    try:
        return connect(url, name=name, say=say, may_start=may_start)
    except EnvironmentLacks as error:
        node = _node(url or docker_default()[0], error, name)
        if (url and parsed_url(url).path) or os.environ.get("DOCKER_HOST"):
            say(f"{node.shown_url}: no Docker daemon answers there; what containerd and CRI-O run there is looked at")
        return node


def _node(url: str, error: EnvironmentLacks, name: str | None) -> NodeHost:
    """The machine without Docker. Raises EnvironmentLacks if containerd and CRI-O run nothing there."""
    try:
        node = open_node(url, str(error), name)
        if node is None or node.shell is None:
            raise error
        listing = list_bundles(node.shell)
    except EnvironmentLacks as reason:
        if reason is error or "not open to this user" in str(error):
            raise error from None
        raise EnvironmentLacks(f"{error}; containers of containerd and CRI-O are root's: {reason}") from None
    if not listing.containers:
        raise EnvironmentLacks(
            f"{error}; nor do containerd and CRI-O run a container there (no process containerd-shim or conmon has one)"
        )
    return node
