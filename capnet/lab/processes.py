"""Which processes belong to a lab host, and how they are ended."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from capnet.errors import CapnetError, UsageError
from capnet.lab.plan import LabHost

_PATIENCE = 5.0  # seconds between SIGTERM and SIGKILL
_DEADLINE = 30.0  # seconds after which we give up and say so
_DAEMONS = ("dockerd", "containerd", "containerd-shim")


def listener(host: LabHost) -> int | None:
    """The pid of the host's dockerd."""
    for pid in _all():
        if _names_exec_root(pid, host) and _argv(pid)[0].rpartition("/")[2] == "dockerd":
            return pid
    return None


def of_host(host: LabHost) -> tuple[set[int], set[int]]:
    """The pids of (the containers' processes, everything else) of the host.

    A process belongs to the host when it is in its network namespace (dockerd, containerd, shims, proxies,
    shells), when its cgroup lies below the host's (processes of containers), or when it is one of Docker's
    daemons working in the host's folder (if somebody removed the namespace's name under a living dockerd).
    """
    named = {pid for pid in _all() if _names_exec_root(pid, host)}
    networks = {_network_of(pid) for pid in named} | {_identity(host.netns)}
    networks -= {None, _network_of(1)}
    contained = {pid for pid in _all() if _in_cgroup(pid, host.cgroup)}
    around = {pid for pid in _all() if _network_of(pid) in networks}
    return contained, (named | around) - contained


def end(host: LabHost) -> None:
    """Ends everything that runs in the host: containers at once, daemons with a chance to clean up."""
    deadline = time.monotonic() + _DEADLINE
    patience = time.monotonic() + _PATIENCE
    while True:
        contained, others = of_host(host)
        if not contained and not others:
            return
        if os.getpid() in others | contained:
            raise UsageError(f"this shell is inside lab host {host.name}; leave it first")
        if time.monotonic() > deadline:
            pids = " ".join(map(str, sorted(contained | others)))
            raise CapnetError(f"processes of lab host {host.name} do not end: {pids}")
        polite = time.monotonic() < patience
        # Containers are pid 1 of their own: most ignore SIGTERM, and their contents are not to be kept.
        _signal(contained, signal.SIGKILL)
        _signal(others, signal.SIGTERM if polite else signal.SIGKILL, wait=patience - time.monotonic())
        for pid in contained | others:
            with suppress(ChildProcessError):  # a daemon started by this very process leaves no zombie
                os.waitpid(pid, os.WNOHANG)


def _signal(pids: set[int], number: signal.Signals, wait: float = 0.0) -> None:
    """Signals each process and waits until all are gone, at most `wait` seconds (at least a moment)."""
    with ExitStack() as stack:
        ends = select.poll()
        waiting = set()
        for pid in pids:
            try:
                descriptor = os.pidfd_open(pid)
                stack.callback(os.close, descriptor)
                signal.pidfd_send_signal(descriptor, number)
            except ProcessLookupError:
                continue
            ends.register(descriptor, select.POLLIN)
            waiting.add(descriptor)
        until = time.monotonic() + max(wait, 0.5)
        while waiting and (left := until - time.monotonic()) > 0:
            for descriptor, _ in ends.poll(left * 1000):
                ends.unregister(descriptor)
                waiting.discard(descriptor)


def _all() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _identity(path: Path | str) -> tuple[int, int] | None:
    """Device and inode, which identify a namespace (namespaces(7)); None when there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _network_of(pid: int) -> tuple[int, int] | None:
    return _identity(f"/proc/{pid}/ns/net")


def _argv(pid: int) -> list[str]:
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
    except OSError:
        return [""]


def _names_exec_root(pid: int, host: LabHost) -> bool:
    """Whether it is dockerd --exec-root=…, or a containerd or shim with a file below that folder."""
    program, *arguments = _argv(pid)
    if not program.rpartition("/")[2].startswith(_DAEMONS):
        return False
    paths = (argument.rpartition("=")[2] for argument in arguments)
    return any(f"{path}/".startswith(f"{host.exec_root}/") for path in paths)


def _in_cgroup(pid: int, cgroup: str) -> bool:
    """Whether a line of /proc/PID/cgroup (hierarchy:controllers:path) lies in or below `cgroup`."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return False
    return any(cgroup in line.split(":", 2)[2].split("/") for line in lines)
