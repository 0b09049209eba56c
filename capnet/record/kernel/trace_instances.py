"""Instances of tracefs that a killed `drop_tracer` has left on this machine.

The program removes its own, also when capnet is killed; only its own death by SIGKILL leaves one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from capnet.errors import EnvironmentLacks
from capnet.record.remote.shell import Shell

_IN_TRACEFS = "mount -t tracefs nodev /sys/kernel/tracing && cd /sys/kernel/tracing/instances &&"


def remove_instances(which: Callable[[str], bool]) -> list[str]:
    """Removes this machine's instances of the runs that `which` accepts; returns a line for each."""
    gone: list[str] = []
    with suppress(EnvironmentLacks):  # no tracefs, or not root: then there is none either
        for name in _run("ls").split():
            run = name.removeprefix("capnet-")
            if run != name and which(run):
                _run('rmdir "$1"', name)
                gone.append(f"trace instance {name}")
    return gone


def _run(command: str, *arguments: str) -> str:
    """Runs a shell command in the folder of instances, in a mount namespace that ends with it."""
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", f"{_IN_TRACEFS} {command}", "sh"]
    return Shell("self").run([*words, *arguments])
