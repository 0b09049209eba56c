"""A lab: two real Docker hosts, A and B, made of network namespaces on this one machine.

    with lab.running(print) as hosts:
        docker.DockerClient(base_url=hosts.hosts["A"].docker_url)

The hosts share this machine's kernel, or one that is started for them: User-Mode Linux (`Kernel.UML`). Inside it
everything is the same, but from outside only `scenario_runner` and the command line reach it.

Every function works on the lab of the folder in CAPNET_LAB_DIR, else of /run/capnet-lab. They need root.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from capnet.errors import CapnetError, EnvironmentLacks, UsageError
from capnet.interrupts import SIGNALS
from capnet.lab import addressing, lab_lock, record, requirements, undo
from capnet.lab.addressing import HostKernel, Lab
from capnet.lab.build import build, build_in_uml
from capnet.lab.daemon import dockerd
from capnet.lab.uml import inner, machine, processor
from capnet.record.bundle import leftover
from capnet.record.find.kernel_features import LAB_FEATURES, missing_features
from capnet.record.kernel.trace_instances import remove_instances
from capnet.record.run_id import is_dead
from capnet.scenario.undo import docker_errors

Progress = Callable[[str], None]


def kernel_for(needed: Sequence[str], progress: Progress) -> HostKernel:
    """The kernel for a lab that needs these features: this machine's if it has them, else User-Mode Linux.

    `needed`: names of `kernel_features.FEATURES`; what every lab is made of is asked for too. `progress` is told which
    kernel and why, unless the lab that is up will do or none can be made. User-Mode Linux has all features.
    """
    lab = addressing.chosen()
    requirements.root()
    made = record.read(lab.folder)
    if made is not None and made.kernel is HostKernel.UML and _is_whole(lab, made):
        return HostKernel.UML
    missing = missing_features([*LAB_FEATURES, *needed])
    this = f"this kernel ({os.uname().release})"
    if missing:
        progress(f"kernel: uml (User-Mode Linux), because {this} lacks {', '.join(missing)}")
        return HostKernel.UML
    if needed or (made is None and not requirements.missing_programs()):  # else only what is missing is said
        progress(f"kernel: native, because {this} has {', '.join(needed or LAB_FEATURES)}")
    return HostKernel.NATIVE


def up(progress: Progress, kernel: HostKernel = HostKernel.NATIVE) -> Lab:
    """Makes the lab and returns it when both daemons answer; one that runs is returned as it is.

    `progress` gets one line per step. What is left of a lab that is not whole is removed first. When
    anything fails, or Ctrl-C interrupts, everything made so far is undone before the error goes on.
    UsageError when a lab with the other kernel runs.
    """
    return _up(progress, kernel, for_a_run=False)[0]


def down(progress: Progress, may_take: Callable[[list[str]], None] = lambda users: None) -> bool:
    """Removes the lab, or whatever is left of one; False when there was nothing.

    `may_take` is given who uses the lab, if it is in use, and raises what is to stop the removal. What dead runs have
    captured becomes their bundles, and their folders go, too.
    """
    lab = addressing.chosen()
    requirements.root()
    was_there = False
    if lab.folder.exists():
        with lab_lock.locked(lab.folder, progress):
            if users := lab_lock.users(lab.folder):
                may_take(users)
            with _undisturbed():
                made = record.read(lab.folder)
                undo.everything(lab, made or record.LabRecord(lab.folder))
                was_there = made is not None
    for line in leftover.sweep(is_dead, progress) + remove_instances(is_dead):
        progress(f"removed {line}")
    return was_there


@contextmanager
def running(progress: Progress, kernel: HostKernel = HostKernel.NATIVE) -> Iterator[Lab]:
    """The running lab; where there is none, one that is made here and removed at the end.

    If other runs use it by then, the last of them removes it. If `up` was called meanwhile, it stays.
    """
    lab, user = _up(progress, kernel, for_a_run=True)
    try:
        yield lab
    finally:
        _leave(lab, user, progress)


def current() -> Lab:
    """The running lab; an error that says how to start it when there is none."""
    lab = addressing.chosen()
    if is_up():
        made = record.read(lab.folder)
        return replace(lab, kernel=made.kernel) if made else lab
    raise CapnetError("the lab is down or not whole; start or repair it: capnet lab up")


def is_up() -> bool:
    """Whether the lab was made completely and both its daemons, or User-Mode Linux, run."""
    lab = addressing.chosen()
    requirements.root()
    made = record.read(lab.folder)
    return made is not None and _is_whole(lab, made)


def _leave(lab: Lab, user: int, progress: Progress) -> None:
    with lab_lock.locked(lab.folder, progress), _undisturbed():
        last = lab_lock.leave(lab.folder, user)
        made = record.read(lab.folder)
        if made is None:  # it has been removed; locking has made the folder anew
            undo.everything(lab, record.LabRecord(lab.folder))
        elif made.for_runs and last:
            progress("removing the lab")
            undo.everything(lab, made)


def _up(progress: Progress, kernel: HostKernel, *, for_a_run: bool) -> tuple[Lab, int]:
    """The lab, and for a run the descriptor that tells of this user (see `users`)."""
    began = time.monotonic()
    lab = replace(addressing.chosen(), kernel=kernel)
    _check_machine(kernel)
    record.read(lab.folder)  # refuses a folder that is no lab's before it is locked
    begun = False
    try:
        while True:
            with lab_lock.locked(lab.folder, progress) as lock:
                left = record.read(lab.folder)
                if left is None:
                    begun = True
                    make = build_in_uml if kernel is HostKernel.UML else build
                    with docker_errors():
                        make(lab, record.LabRecord(lab.folder, kernel=kernel, for_runs=for_a_run), lock, progress)
                    progress(f"up after {time.monotonic() - began:.1f} s")
                    return lab, lab_lock.enter(lab.folder) if for_a_run else -1
                if _is_whole(lab, left):
                    if left.kernel is not kernel:
                        raise UsageError(
                            f"the lab that is up in {lab.folder} runs kernel {left.kernel}, not {kernel}: "
                            f"end it with `capnet lab down`, or choose another folder with {addressing.FOLDER_VARIABLE}"
                        )
                    if kernel is HostKernel.UML:
                        inner.up(lab.folder, progress)  # repairs what is not whole there
                    else:
                        progress("the lab is already up")
                    if for_a_run:
                        return lab, lab_lock.enter(lab.folder)
                    left.keep()
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


def _check_machine(kernel: HostKernel) -> None:
    """Raises EnvironmentLacks unless a lab with this kernel can be made on this machine."""
    if kernel is HostKernel.NATIVE:
        requirements.check()
        return
    if lack := processor.lack():
        raise EnvironmentLacks(lack)
    requirements.check(kernel=False, more=machine.missing())


def _undo_unfinished(lab: Lab, progress: Progress) -> None:
    """Undoes an interrupted `up`, unless another one has repaired it by now, or uses it.

    The lock was let go of and is taken anew, because an interrupt can hide a child from us that was just
    being started: it holds the lock until it has done its work, or is a dockerd that can be found.
    """
    with lab_lock.locked(lab.folder, progress):
        left = record.read(lab.folder)
        if left is None or not left.ready or (left.for_runs and _is_unused(lab)):
            undo.everything(lab, left or record.LabRecord(lab.folder))


def _is_unused(lab: Lab) -> bool:
    return lab_lock.leave(lab.folder, lab_lock.enter(lab.folder))


def _is_whole(lab: Lab, made: record.LabRecord) -> bool:
    if made.kernel is HostKernel.UML:
        return made.ready and machine.is_alive(lab.folder)
    return made.ready and all(dockerd.is_alive(host) for host in lab.hosts.values())


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
