"""The way into the namespaces of a rootless daemon, here or behind ssh: as its user, or as root.

A rootless daemon and its containers live in a user namespace, in which the daemon's user is root.
Method: its process is the one that listens on its socket; behind ssh, and where systemd listens for it, the one that a
file beside the socket names: `docker.pid` of Docker, `pause.pid` of podman.
podman's own process is in the network of the machine: its bridges and the host ends of its veths are in a further
namespace, which a file in the folder of the user's runtime keeps. Limits: that file is there while a container is on
a bridge; without one, only root captures at the machine's interfaces, and the user inside containers.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath

from capnet.errors import EnvironmentLacks
from capnet.quick_tuple import NamedTuple
from capnet.record.remote.shell import Shell
from capnet.topology.user_mode import BRIDGES_NETNS

_WITHIN_S = 30.0  # through ssh, the connection included

# Prints the user's id, and the first of its arguments, files, that is there.
_ASK = 'id -u; for file; do [ -r "$file" ] && exec cat "$file"; done'


# The network of podman's bridges, in XDG_RUNTIME_DIR: of podman 4, and of podman 5.
_BRIDGES = (f"netns/{BRIDGES_NETNS}-*", f"containers/networks/{BRIDGES_NETNS}/{BRIDGES_NETNS}")
_FIND = 'for file in $*; do [ -e "$file" ] && exec echo "$file"; done; exit 0'


class _Answer(NamedTuple):
    """Of the daemon's machine: who asks there, and the process that a file names, empty if none does."""

    user: int
    process: str


def open_rootless(direct: Shell | None, socket: str) -> Shell:
    """A shell in the namespaces of the daemon behind `socket`. EnvironmentLacks, with the reason, if none leads there.

    `direct` is one on the daemon's machine; None where only the API leads there. A capture container of the daemon is
    no way: runc refuses it the host's /proc.
    """
    if direct is None:
        raise EnvironmentLacks(
            "the daemon is rootless, and its containers do not see the host's processes; run capnet on that machine, "
            "or name it ssh://USER@HOST/run/user/UID/docker.sock, with the daemon's user"
        )
    shells = _shells(direct, socket)
    if not shells:
        raise EnvironmentLacks(
            f"the daemon is rootless, and no docker.pid beside {socket} names its process; run capnet on that machine, "
            "as the daemon's user"
        )
    inside = [_on_bridges(shell, socket) for shell in shells if shell.is_root()]
    for shell in inside:
        if shell.may_enter(shell.host_netns):
            return shell
    if inside:  # podman without a bridge: its host is the machine itself, which only root may enter
        return inside[0]
    raise EnvironmentLacks(
        f"{no_root_words(direct)}the daemon is rootless, and its namespaces are open to root and to its user only; "
        + ("name one of them: ssh://USER@HOST/…" if direct.ssh else "run capnet as one of them")
    )


def _on_bridges(shell: Shell, socket: str) -> Shell:
    """The shell, with the network of podman's bridges as that of its host, where there is one."""
    folders = (PurePosixPath(socket).parent, PurePosixPath(socket).parent.parent)
    files = [shell.host_path(f"{folder}/{pattern}") for folder in folders for pattern in _BRIDGES]
    with suppress(EnvironmentLacks):
        return replace(shell, netns=shell.run(["sh", "-c", _FIND, "sh", *files]).strip())
    return shell


def no_root_words(direct: Shell) -> str:
    """How a message begins where this shell could not be root."""
    return f"no root{' there' if direct.ssh else ' here'} (sudo); "


def _shells(direct: Shell, socket: str) -> list[Shell]:
    """Those that may lead into the daemon's namespaces, the best one first; none if its process is not known."""
    folder = PurePosixPath(socket).parent
    files = [str(folder / "docker.pid"), str(folder.parent / "libpod" / "tmp" / "pause.pid")]
    if direct.host == "self":
        answer = _ask(direct.ssh, files)
        process = answer.process or ("" if direct.ssh else direct.host)  # capnet may be in its namespaces itself
    else:
        answer, process = _Answer(os.geteuid(), ""), direct.host
    if not process:
        return []
    as_root = Shell(process, direct.ssh)
    if answer.user == 0:
        return [as_root]
    enter = ("nsenter", "--user", "--preserve-credentials", f"--target={process}", "--")
    return [replace(as_root, userns=enter), as_root]


def _ask(ssh: tuple[str, ...], files: Sequence[str]) -> _Answer:
    words = ["sh", "-c", _ASK, "sh", *files]
    command = [*ssh, shlex.join(words)] if ssh else words
    printed = ""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_WITHIN_S)
        printed = done.stdout
    user, _, process = (word.strip() for word in printed.partition("\n"))
    if not ssh or not user.isdecimal():
        user = str(os.geteuid())
    return _Answer(int(user), process if process.isdecimal() else "")
