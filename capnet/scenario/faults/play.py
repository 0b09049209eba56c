"""Plays a fault: builds its network, sends while it is healthy, breaks it by one line, and sends the same again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from capnet import __version__
from capnet.errors import EnvironmentLacks, ScenarioFailed
from capnet.interrupts import Interruptible
from capnet.quick_tuple import NamedTuple
from capnet.record.bundle import leftover
from capnet.record.find.kernel_features import missing_features
from capnet.record.remote.docker_host import DockerHost
from capnet.record.remote.shell import search_path
from capnet.record.run_id import temporary_folder, this_run
from capnet.scenario.bundle.bundle_writer import write
from capnet.scenario.bundle.failed_run import kept
from capnet.scenario.docker import run_labels
from capnet.scenario.faults.docker_network import DockerNetwork
from capnet.scenario.faults.library import Fault
from capnet.scenario.faults.network import NodeNetwork
from capnet.scenario.runner import bundle_path
from capnet.scenario.session import Session
from capnet.scenario.undo import Undo, docker_errors

Progress = Callable[[str], None]

HEALTHY = ".healthy"  # in the name of the capture from before the line that breaks


class Played(NamedTuple):
    """The captures of one play."""

    broken: Path
    healthy: Path


def paths(output: Path, name: str) -> Played:
    """Where the captures of a play go: FILE.pcapng as given, or NAME.pcapng in a folder, and the healthy one beside it.

    UsageError if they cannot.
    """
    broken = bundle_path(output, name)
    return Played(broken, bundle_path(broken.with_name(f"{broken.stem}{HEALTHY}.pcapng"), name))


def play(fault: Fault, output: Path, say: Progress, hosts: Sequence[DockerHost] = (), *, why: bool = False) -> Played:
    """Plays a fault in network namespaces of its own, or on two Docker hosts, and returns its captures.

    `why` asks the kernels which rule decides about each packet.

    Raises ScenarioFailed when the healthy network does not work, EnvironmentLacks when it cannot run here. Nothing is
    left behind then, or after Ctrl-C or SIGTERM.
    """
    played = paths(output, fault.name)
    _check(fault)
    with docker_errors(), Interruptible() as interruptible, Undo(say) as undo:
        folder = temporary_folder("faults")
        undo.callback(leftover.remove, folder)
        try:
            if fault.needs_dockerd:
                _two_rounds(fault, _on_hosts(fault, hosts, undo, folder, say, why), played, hosts, say)
            else:
                network = NodeNetwork(fault.name, undo, folder, say, keeps_neighbours=fault.keeps_neighbours, why=why)
                _two_rounds(fault, network, played, hosts, say)
        finally:
            interruptible.no_more()
    return played


def _on_hosts(
    fault: Fault, hosts: Sequence[DockerHost], undo: Undo, folder: Path, say: Progress, why: bool
) -> DockerNetwork:
    run = this_run()
    for line in run_labels.sweep(hosts, say):
        say(f"removed what a dead run left: {line}")
    undo.callback(run_labels.remove, hosts, lambda labels: labels.get(run_labels.RUN) == run)
    return DockerNetwork(Session(f"fault {fault.name}", list(hosts), run, folder, undo, say, why=why))


def _two_rounds(
    fault: Fault, network: NodeNetwork | DockerNetwork, played: Played, hosts: Sequence[DockerHost], say: Progress
) -> None:
    points = fault.module.build(network)
    for path in (played.healthy, played.broken):
        if path is played.broken:
            say(f"break it: {fault.breaks}")
            network.apply(fault.breaks)
        network.output = path
        say(f"send, and capture at {', '.join(point.name for point in points)}")
        with kept(path, network, hosts, say):
            with network.listening(points):
                fault.module.send(network)
            if path is played.healthy and network.misses:
                raise ScenarioFailed(f"{fault.name} does not work when healthy: {'; '.join(network.misses)}")
            write(path, network, {"capnet": __version__})


def _check(fault: Fault) -> None:
    """EnvironmentLacks that names every program and every feature of the kernel that the fault needs and lacks."""
    programs = ("ip", "ping", "nsenter", *fault.needs_programs)
    missing = [program for program in programs if not shutil.which(program, path=search_path())]
    if missing := [*missing, *missing_features(fault.needs_kernel)]:
        raise EnvironmentLacks(f"{fault.name} needs {', '.join(missing)}, which this machine lacks")
