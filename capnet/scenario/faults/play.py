"""Plays a fault: builds its network, sends while it is healthy, breaks it by one line, and sends the same again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from capnet import __version__
from capnet.errors import EnvironmentLacks, ScenarioFailed
from capnet.record.bundle import bundle
from capnet.record.find.kernel_features import missing_features
from capnet.record.remote.shell import search_path
from capnet.record.run_id import temporary_folder
from capnet.scenario.faults.library import Fault
from capnet.scenario.faults.network import Network
from capnet.scenario.interrupts import Interruptible
from capnet.scenario.runner import bundle_path, writing
from capnet.scenario.undo import Undo

HEALTHY = ".healthy"  # in the name of the capture from before the line that breaks


class Played(NamedTuple):
    """The captures of one play."""

    broken: Path
    healthy: Path


def paths(output: Path, name: str) -> Played:
    """Where the captures of a play go: NAME.pcapng and NAME.healthy.pcapng in a folder. UsageError if they cannot."""
    return Played(bundle_path(output, name), bundle_path(output, f"{name}{HEALTHY}"))


def play(fault: Fault, output: Path, say: Callable[[str], None]) -> Played:
    """Plays a fault in network namespaces of its own and returns its captures.

    Raises ScenarioFailed when the healthy network does not work, EnvironmentLacks when it cannot run here. Nothing is
    left behind then, or after Ctrl-C or SIGTERM.
    """
    played = paths(output, fault.name)
    _check(fault)
    with Interruptible() as interruptible, Undo(say) as undo:
        folder = temporary_folder("faults")
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        network = Network(fault.name, undo, folder, keeps_neighbours=fault.keeps_neighbours)
        try:
            points = fault.module.build(network)
            for path in (played.healthy, played.broken):
                if path is played.broken:
                    say(f"break it: {fault.breaks}")
                    network[fault.breaks.node].run(fault.breaks.command)
                say(f"send, and listen at {', '.join(point.name for point in points)}")
                with network.listening(points):
                    fault.module.send(network)
                if path is played.healthy and network.misses:
                    raise ScenarioFailed(f"{fault.name} does not work when healthy: {'; '.join(network.misses)}")
                assert network.topology is not None
                network.topology.recorded = {"capnet": __version__}
                with writing(path):
                    bundle.write(path, network.captures, network.topology)
        finally:
            interruptible.no_more()
    return played


def _check(fault: Fault) -> None:
    """EnvironmentLacks that names every program and every feature of the kernel that the fault needs and lacks."""
    programs = [
        name for name in ("ip", "ping", "nsenter", *fault.needs_programs) if not shutil.which(name, path=search_path())
    ]
    if missing := [*programs, *missing_features(fault.needs_kernel)]:
        raise EnvironmentLacks(f"{fault.name} needs {', '.join(missing)}, which this machine lacks")
