"""Which processes belong to a lab host, and how they are ended."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from capnet.errors import CapnetError, UsageError
from capnet.lab.addressing import LabHost

_PATIENCE = 5.0  # seconds between SIGTERM and SIGKILL
_MOMENT = 0.5  # seconds that the killed get to be gone before we look again
_DEADLINE = 60.0  # seconds after which we give up and say so
_EXECVE = 10.0  # seconds that it may take: it reads the program from the disk
_PF_KTHREAD = 0x200000  # include/linux/sched.h
_DAEMONS = ("dockerd", "containerd", "containerd-shim")


def listener(host: LabHost) -> int | None:
    """The pid of the host's dockerd.

    What it starts has its words too, until execve(2): that is a child of it, with a smaller pid where pids began anew.
    """
    named = [
        pid
        for pid in all_pids()
        if _names_exec_root(pid, host) and command_line(pid)[0].rpartition("/")[2] == "dockerd"
    ]
    return next((pid for pid in named if _parent(pid) not in named), None)


def of_host(host: LabHost) -> tuple[set[int], set[int]]:
    """The pids of (the containers' processes, everything else) of the host.

    A process belongs to the host when it is in its network or mount namespace (dockerd, containerd, shims,
    proxies, shells), when its cgroup lies below the host's (processes of containers), or when it is one of
    Docker's daemons working in the host's folder (they alone tell when the namespace lost its name).
    """
    pids = all_pids()
    named = {pid for pid in pids if _names_exec_root(pid, host)}
    spaces = {_identity(host.netns)}.union(*(_namespaces(pid) for pid in named)) - _namespaces(1) - {None}
    contained = {pid for pid in pids if _in_cgroup(pid, host.cgroup)}
    around = {pid for pid in pids if _namespaces(pid) & spaces}
    return contained, (named | around) - contained


def end(hosts: list[LabHost]) -> None:
    """Ends everything that runs in the hosts: dockerd with a chance to clean up, then all the rest."""
    deadline = time.monotonic() + _DEADLINE
    polite = True
    while True:
        contained, others = _of_all(hosts)
        everything = contained | others
        if not everything:
            return
        if os.getpid() in everything:
            raise UsageError("this shell is inside the lab; leave it first")
        if time.monotonic() > deadline:
            raise CapnetError(f"processes of the lab do not end: {' '.join(map(str, sorted(everything)))}")
        if polite:
            # Containers are not asked: their first processes ignore SIGTERM, and dockerd waits for them.
            _signal(contained, signal.SIGKILL, _MOMENT)
            daemons = {pid for host in hosts if (pid := listener(host)) is not None}
            _signal(daemons, signal.SIGTERM, _PATIENCE)
            polite = False
        else:
            _signal(everything, signal.SIGKILL, _MOMENT)
        _reap(everything)


def all_words() -> Iterator[tuple[int, list[str]]]:
    """Every process with the words of its command line."""
    for pid in all_pids():
        yield pid, command_line(pid)


def kill(pids: set[int]) -> None:
    """Kills these processes and gives them a moment to be gone."""
    _signal(pids, signal.SIGKILL, _MOMENT)
    _reap(pids)


def _reap(pids: set[int]) -> None:
    for pid in pids:
        with suppress(ChildProcessError):  # a daemon started by this very process leaves no zombie
            os.waitpid(pid, os.WNOHANG)


def end_daemons(hosts: list[LabHost]) -> None:
    """Ends the hosts' dockerds, and their containerds with them; CapnetError if one does not end."""
    daemons = {pid for host in hosts if (pid := listener(host)) is not None}
    _signal(daemons, signal.SIGTERM, _DEADLINE)
    for pid in daemons:
        with suppress(ChildProcessError):  # a daemon started by this very process leaves no zombie
            os.waitpid(pid, os.WNOHANG)
    if left := [host.name for host in hosts if listener(host) is not None]:
        raise CapnetError(f"Docker of {', '.join(left)} does not end; repair the lab: capnet lab down, capnet lab up")


def _of_all(hosts: list[LabHost]) -> tuple[set[int], set[int]]:
    contained, others = set[int](), set[int]()
    for host in hosts:
        inner, outer = of_host(host)
        contained |= inner
        others |= outer
    return contained, others


def _signal(pids: set[int], number: signal.Signals, wait: float) -> None:
    """Signals each process and waits until all are gone, at most `wait` seconds."""
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
        until = time.monotonic() + wait
        while waiting and (left := until - time.monotonic()) > 0:
            for descriptor, _ in ends.poll(left * 1000):
                ends.unregister(descriptor)
                waiting.discard(descriptor)


def all_pids() -> list[int]:
    """Every process but zombies, which cannot be ended (proc_pid_stat(5): the state follows `(name)`)."""
    pids = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if (folder / "stat").read_bytes().rpartition(b") ")[2][:1] != b"Z":
                    pids.append(int(folder.name))
    return pids


def _identity(path: Path | str) -> tuple[int, int] | None:
    """Device and inode, which identify a namespace (namespaces(7)); None when there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _namespaces(pid: int) -> set[tuple[int, int] | None]:
    return {_identity(f"/proc/{pid}/ns/{kind}") for kind in ("net", "mnt")}


def _parent(pid: int) -> int | None:
    """proc_pid_stat(5): it follows the state."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()[1])
    except OSError:
        return None


def command_line(pid: int) -> list[str]:
    """The words of its command line; of one that is just becoming another program, that one's.

    During execve(2) a process has no words: they are waited for, so that the process is not overlooked.
    """
    until = time.monotonic() + _EXECVE
    before = None  # where its words were when it had none
    with suppress(OSError):
        while True:
            if words := Path(f"/proc/{pid}/cmdline").read_bytes():
                return os.fsdecode(words).split("\0")
            place = _place_of_words(pid)
            if place is None or place == before or time.monotonic() > until:
                break
            before = place if place[1] else None
            time.sleep(0.001)  # the kernel is in the middle of execve(2), which nothing tells the end of
    return [""]


def _place_of_words(pid: int) -> tuple[int, int] | None:
    """arg_start and arg_end of proc_pid_stat(5), the second 0 in the middle of execve(2); None without memory."""
    state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
    if state in (b"Z", b"X") or int(fields[5]) & _PF_KTHREAD:
        return None
    return int(fields[44]), int(fields[45])


def _names_exec_root(pid: int, host: LabHost) -> bool:
    """Whether it is dockerd --exec-root=…, or a containerd or shim with a file below that folder."""
    program, *arguments = command_line(pid)
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
