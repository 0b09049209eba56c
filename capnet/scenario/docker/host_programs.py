"""The host's own programs, run from a container: CNI plugins, iproute2, iptables, which a scenario's image lacks.

The container shares the host's network and processes, and has the host's files below its folder `/host`: what chroot(1)
starts there sees what a program of the host sees. It needs no shell on the host, hence works with each Docker host that
lets a container do so; a rootless one does not.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

_ROOT = "/host"

# Not `privileged`: that asks for capabilities that the daemon itself may not have.
OPTIONS: dict[str, Any] = {
    "network_mode": "host",
    "pid_mode": "host",
    "userns_mode": "host",
    "cap_add": ["NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE"],  # to enter namespaces, and change what is in them
    "security_opt": ["seccomp=unconfined", "apparmor=unconfined", "label=disable"],
    "volumes": {"/": {"bind": _ROOT, "mode": "rw"}},
}


def by_host(script: str) -> str:
    """The shell command that lets the host's own shell run the script."""
    return f"chroot {_ROOT} /bin/sh -c {shlex.quote(script)}"  # by its path: busybox would take its own shell


class HostPrograms:
    """Runs scripts by the host's own shell, through a container that was started with OPTIONS.

    `attempt` runs a shell command in it: exit status, and what it printed. `run` raises where it fails.
    """

    def __init__(self, run: Callable[[str], str], attempt: Callable[[str], tuple[int, str]]) -> None:
        self._run = run
        self._attempt = attempt

    def run(self, script: str) -> str:
        """What the script printed. ScenarioFailed if it fails."""
        return self._run(by_host(script))

    def attempt(self, script: str) -> tuple[int, str]:
        """The script's exit status, and what it printed."""
        return self._attempt(by_host(script))
