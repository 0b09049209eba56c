"""Reaches the host that a command is about: its Docker daemon, else podman, else the containerd or CRI-O there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress

from capnet.errors import EnvironmentLacks
from capnet.record.find.runtimes.bundles import list_bundles
from capnet.record.find.runtimes.podman_api import HOW_TO_START, podman_urls
from capnet.record.remote.docker_host import DockerHost, connect, docker_default
from capnet.record.remote.docker_urls import parsed_url
from capnet.record.remote.nodes.node_host import NodeHost, open_node
from capnet.record.remote.nodes.reached_host import ReachedHost

_DOCKER_SOCKET = "unix:///var/run/docker.sock"
_CLOSED = "not open to this user"  # in the error of a socket that needs root or a group


def reach(
    url: str | None = None,
    *,
    name: str | None = None,
    say: Callable[[str], None] = lambda line: None,
    may_start: bool = True,
) -> ReachedHost:
    """Opens the host at `url`; None means what Docker itself would use. The caller closes it.

    Where no daemon answers, it is podman, if None was named and its service listens here; else the machine itself, if
    containerd or CRI-O run a container there. Raises as `connect`.
    """
    try:
        return connect(url, name=name, say=say, may_start=may_start)
    except EnvironmentLacks as error:
        if url is None and _CLOSED not in str(error) and (podman := _podman(name, say, may_start)):
            return podman
        node = _node(url or docker_default()[0], error, name)
        if (url and parsed_url(url).path) or os.environ.get("DOCKER_HOST"):
            say(f"{node.shown_url}: no Docker daemon answers there; what containerd and CRI-O run there is looked at")
        return node


def _podman(name: str | None, say: Callable[[str], None], may_start: bool) -> DockerHost | None:
    """podman on this machine, where Docker's own settings name no other daemon."""
    if docker_default()[0] != _DOCKER_SOCKET:
        return None
    for url in podman_urls():
        with suppress(EnvironmentLacks):
            host = connect(url, name=name, say=say, may_start=may_start)
            say(f"no Docker daemon answers here; these are podman's containers, of {url}")
            return host
    return None


def _node(url: str, error: EnvironmentLacks, name: str | None) -> NodeHost:
    """The machine without Docker. Raises EnvironmentLacks if containerd and CRI-O run nothing there."""
    try:
        node = open_node(url, str(error), name)
        if node is None or node.shell is None:
            raise error
        listing = list_bundles(node.shell)
    except EnvironmentLacks as reason:
        if reason is error or _CLOSED in str(error):
            raise error from None
        hint = f"; {HOW_TO_START}" if shutil.which("podman") else ""
        raise EnvironmentLacks(f"{error}{hint}; containers of containerd and CRI-O are root's: {reason}") from None
    if not listing.containers:
        if parsed_url(url).scheme == "unix" and shutil.which("podman"):
            raise EnvironmentLacks(f"{error}; nor do containerd and CRI-O run a container there; {HOW_TO_START}")
        raise EnvironmentLacks(
            f"{error}; nor do containerd and CRI-O run a container there (no process containerd-shim or conmon has one)"
        )
    return node
