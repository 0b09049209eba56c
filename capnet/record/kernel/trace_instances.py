"""Instances of tracefs: of a running `drop_tracer`, whose interfaces change, and those that a killed one has left.

The program removes its own, also when capnet is killed; only its own death by SIGKILL leaves one on this machine.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from capnet.errors import EnvironmentLacks
from capnet.record.kernel.drop_tracer import FILTERED
from capnet.record.remote.shell import Shell

# $1 is a run, $2 a filter, and the others are events.
_SET_FILTER = 'cd "capnet-$1/events" && filter=$2 && shift 2 && for event; do echo "$filter" >"$event/filter"; done'
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


def set_interfaces(shell: Shell, run: str, interfaces: str) -> None:
    """Changes the filter (`drop_tracer.interface_filter`) of a run's instance on the shell's machine.

    Raises EnvironmentLacks.
    """
    _run(_SET_FILTER, run, interfaces, *FILTERED, shell=shell)


def _run(command: str, *arguments: str, shell: Shell | None = None) -> str:
    """Runs a shell command in the folder of instances, in a mount namespace that ends with it."""
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", f"{_IN_TRACEFS} {command}", "sh"]
    return (shell or Shell("self")).run([*words, *arguments], title="tracefs")
