"""A machine without a Docker daemon that answers: a node of Kubernetes, a host of containerd or CRI-O.

unix://   this machine, as root or by `sudo -n`, whatever socket the URL names
ssh://    that machine, as root or by `sudo -n`
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from capnet.record.remote import ssh_forward
from capnet.record.remote.nodes.reached_host import ReachedHost
from capnet.record.remote.shell import Shell

_WITHIN = 30.0  # seconds; through ssh, the connection included


@dataclass
class NodeHost(ReachedHost):
    """`no_docker` says why Docker was not asked."""

    name: str
    url: str = field(repr=False)
    kernel: str
    no_docker: str
    _open_shell: Callable[[ExitStack], Shell] = field(repr=False, compare=False)
    _open: ExitStack = field(default_factory=ExitStack, repr=False, compare=False)


def open_node(url: str, no_docker: str, name: str | None = None) -> NodeHost | None:
    """The machine at a Docker URL, without Docker; None where only Docker's API leads there.

    Raises EnvironmentLacks where its commands cannot be run as root.
    """
    parts = urlsplit(url)
    if parts.scheme == "ssh":
        shell = Shell("self", ssh=ssh_forward.ssh_command(parts))
    elif parts.scheme == "unix" and sys.platform.startswith("linux"):
        shell = Shell("self")
    else:
        return None
    own_name, _, kernel = shell.run(["uname", "-nr"], timeout=_WITHIN).strip().partition(" ")
    return NodeHost(name or own_name.partition(".")[0], url, kernel, no_docker, lambda undo: shell)
