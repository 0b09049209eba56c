"""Two real Docker hosts, A and B, made of network namespaces on this one machine.

    with lab.running(print) as the_lab:
        docker.DockerClient(base_url=the_lab.hosts["A"].docker_url)

The hosts share this machine's kernel, or one that is started for them: User-Mode Linux (`Kernel.UML`). Inside
that, everything is the same, but from outside only `play` and the command line reach it.

Every function works on the lab of the folder in CAPNET_LAB_DIR, else of /run/capnet-lab. They need root.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from capnet.errors import CapnetError, UsageError
from capnet.lab import daemon, image, needs, network, plan, record, undo, users
from capnet.lab.plan import Kernel, Lab, LabHost
from capnet.lab.uml import inner, machine
from capnet.record.kernel import OF_A_LAB, lacking
from capnet.scenario.interrupts import SIGNALS
from capnet.scenario.undo import docker_errors

__all__ = [
    "HostStatus",
    "Kernel",
    "Lab",
    "LabHost",
    "current",
    "down",
    "is_up",
    "kernel_for",
    "running",
    "status",
    "up",
]

Progress = Callable[[str], None]


@dataclass(frozen=True)
class HostStatus:
    """What `capnet lab status` says about one host; the last three are None when its daemon is down."""

    host: LabHost
    version: str | None
    running_containers: int | None = None
    swarm: str | None = None


def kernel_for(needed: Sequence[str], progress: Progress) -> Kernel:
    """The kernel for a lab that must have these features (names of record.kernel.FEATURES): this machine's if it does.

    What every lab is made of is asked for too.

    `progress` is told which and why, unless nothing is needed but the lab that is up, or none can be made. A lab that
    runs User-Mode Linux has them all.
    """
    lab = plan.chosen()
    needs.root()
    made = record.read(lab.folder)
    if made is not None and made.kernel is Kernel.UML and _is_whole(lab, made):
        return Kernel.UML
    missing = lacking([*OF_A_LAB, *needed])
    this = f"this kernel ({os.uname().release})"
    if missing:
        progress(f"kernel: uml (User-Mode Linux), because {this} lacks {', '.join(missing)}")
        return Kernel.UML
    if needed or (made is None and not needs.missing_programs()):  # what is missing will be said, and nothing else
        progress(f"kernel: native, because {this} has {', '.join(needed or OF_A_LAB)}")
    return Kernel.NATIVE


def up(progress: Progress, kernel: Kernel = Kernel.NATIVE) -> Lab:
    """Makes the lab and returns it when both daemons answer; one that runs is returned as it is.

    `progress` gets one line per step. What is left of a lab that is not whole is removed first. When
    anything fails, or Ctrl-C interrupts, everything made so far is undone before the error goes on.
    UsageError when a lab with the other kernel runs.
    """
    return _up(progress, kernel, for_a_run=False)[0]


def down(progress: Progress) -> bool:
    """Removes the lab, or whatever is left of one; False when there was nothing."""
    lab = plan.chosen()
    needs.root()
    if not lab.folder.exists():
        return False
    with record.locked(lab.folder, progress), _undisturbed():
        made = record.read(lab.folder)
        undo.everything(lab, made or record.Record(lab.folder))
        return made is not None


@contextmanager
def running(progress: Progress, kernel: Kernel = Kernel.NATIVE) -> Iterator[Lab]:
    """The running lab; where there is none, one that is made here and removed at the end.

    If others have come to use it by then, the last of them removes it; and if somebody has asked for it by `up`, it
    stays.
    """
    lab, user = _up(progress, kernel, for_a_run=True)
    try:
        yield lab
    finally:
        _leave(lab, user, progress)


def status() -> list[HostStatus] | None:
    """What each host does; None where there is no lab at all. For a native lab (see `current`)."""
    lab = plan.chosen()
    needs.root()
    if record.read(lab.folder) is None:
        return None
    found = []
    for host in lab.hosts.values():
        info = daemon.info(host)
        if info is None:
            found.append(HostStatus(host, None))
            continue
        swarm = info["Swarm"]["LocalNodeState"]
        if swarm == "active":
            swarm = "manager" if info["Swarm"]["ControlAvailable"] else "worker"
        found.append(HostStatus(host, info["ServerVersion"], info["ContainersRunning"], swarm))
    return found


def current() -> Lab:
    """The running lab; an error that says how to start it when there is none."""
    lab = plan.chosen()
    if is_up():
        made = record.read(lab.folder)
        return replace(lab, kernel=made.kernel) if made else lab
    raise CapnetError("the lab is down or not whole; start or repair it: capnet lab up")


def is_up() -> bool:
    """Whether the lab was made completely and both its daemons, or User-Mode Linux, run."""
    lab = plan.chosen()
    needs.root()
    made = record.read(lab.folder)
    return made is not None and _is_whole(lab, made)


def _leave(lab: Lab, user: int, progress: Progress) -> None:
    with record.locked(lab.folder, progress), _undisturbed():
        last = users.leave(lab.folder, user)
        made = record.read(lab.folder)
        if made is None:  # somebody has removed it; locking has made the folder anew
            undo.everything(lab, record.Record(lab.folder))
        elif made.for_runs and last:
            progress("removing the lab")
            undo.everything(lab, made)


def _up(progress: Progress, kernel: Kernel, *, for_a_run: bool) -> tuple[Lab, int]:
    """The lab, and for a run the descriptor that tells of this user (see `users`)."""
    began = time.monotonic()
    lab = replace(plan.chosen(), kernel=kernel)
    if kernel is Kernel.UML:
        needs.check(kernel=False, more=machine.missing())
    else:
        needs.check()
    record.read(lab.folder)  # refuses a folder that is somebody else's before it is locked
    begun = False
    try:
        while True:
            with record.locked(lab.folder, progress) as lock:
                left = record.read(lab.folder)
                if left is None:
                    begun = True
                    make = _make_in_uml if kernel is Kernel.UML else _make
                    with docker_errors():
                        make(lab, record.Record(lab.folder, kernel=kernel, for_runs=for_a_run), lock, progress)
                    progress(f"up after {time.monotonic() - began:.1f} s")
                    return lab, users.enter(lab.folder) if for_a_run else -1
                if _is_whole(lab, left):
                    if left.kernel is not kernel:
                        raise UsageError(
                            f"the lab that is up in {lab.folder} runs kernel {left.kernel}, not {kernel}: "
                            f"end it with `capnet lab down`, or choose another folder with {plan.FOLDER_VARIABLE}"
                        )
                    if kernel is Kernel.UML:
                        inner.up(lab.folder, progress)  # repairs what is not whole there
                    else:
                        progress("the lab is already up")
                    if for_a_run:
                        return lab, users.enter(lab.folder)
                    left.is_for_all()
                    return lab, -1
                progress("the lab is not whole: removing what is left of it, then making it anew")
                with _undisturbed():
                    undo.everything(lab, left)
    except BaseException:  # Ctrl-C too: whatever ended it, nothing half made may stay
        if begun:
            with _undisturbed():
                progress("undoing what was made so far")
                _undo_unfinished(lab, progress)
        raise


def _make_in_uml(lab: Lab, made: record.Record, lock: int, progress: Progress) -> None:
    made.will_make(record.Kind.MACHINE, machine.release() or "")
    progress(f"starting User-Mode Linux {machine.release()}: a process, with this machine's files, without a network")
    machine.wait(lab.folder, machine.start(lab.folder))
    progress("it answers; making the lab inside")
    inner.up(lab.folder, progress)
    users.prepare(lab.folder)
    made.is_ready()


def _make(lab: Lab, made: record.Record, lock: int, progress: Progress) -> None:
    progress(f"network {plan.GATEWAY}/{plan.PREFIX_LENGTH}: a bridge, hosts A and B on it, no route out")
    network.make(lab, made, lock)
    progress("starting a Docker daemon on each host")
    pids = {host.name: daemon.start(host, made, lock) for host in lab.hosts.values()}
    busybox = needs.static_busybox()
    assert busybox is not None  # needs.check() has seen it
    archive = image.root_file_system(busybox)
    for host in lab.hosts.values():
        version = daemon.wait(host, pids[host.name])
        progress(f"host {host.name} {host.address}: Docker {version} at {host.docker_url}")
        image.load(host, archive)
    progress(f"image {plan.IMAGE} on both, made from {busybox} (no registry is asked)")
    users.prepare(lab.folder)
    made.is_ready()


def _undo_unfinished(lab: Lab, progress: Progress) -> None:
    """Undoes an interrupted `up`, unless another one has repaired it by now, or uses it.

    The lock was let go of and is taken anew, because an interrupt can hide a child from us that was just
    being started: it holds the lock until it has done its work, or is a dockerd that can be found.
    """
    with record.locked(lab.folder, progress):
        left = record.read(lab.folder)
        if left is None or not left.ready or (left.for_runs and _nobody_uses(lab)):
            undo.everything(lab, left or record.Record(lab.folder))


def _nobody_uses(lab: Lab) -> bool:
    return users.leave(lab.folder, users.enter(lab.folder))


def _is_whole(lab: Lab, made: record.Record) -> bool:
    if made.kernel is Kernel.UML:
        return made.ready and machine.is_alive(lab.folder)
    return made.ready and all(daemon.is_alive(host) for host in lab.hosts.values())


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignores Ctrl-C, SIGTERM and a closed terminal: a removal that has begun is finished."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
