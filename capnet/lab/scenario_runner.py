"""Runs a scenario on the lab's two hosts, with either kernel, and with the daemon settings that it asks for.

Or a fault that needs Docker, with this machine's kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from capnet.errors import EnvironmentLacks
from capnet.lab import lab_lock
from capnet.lab.addressing import HostKernel, Lab
from capnet.lab.daemon import settings
from capnet.lab.uml import inner
from capnet.record.remote.docker_host import connect
from capnet.record.taps.capture_program import BUFFER_MIB
from capnet.scenario import library
from capnet.scenario.docker.image import DEFAULT as DEFAULT_IMAGE
from capnet.scenario.faults.library import Fault
from capnet.scenario.faults.play import Played, play
from capnet.scenario.runner import bundle_path
from capnet.scenario.runner import run_scenario as run_on_hosts
from capnet.scenario.undo import docker_errors


def run_scenario(
    lab: Lab,
    name: str,
    *,
    output: Path,
    capture: tuple[str, ...] = (),
    image: str = DEFAULT_IMAGE,
    keep: bool = False,
    why: bool = False,
    buffer_mib: int = BUFFER_MIB,
    say: Callable[[str], None],
) -> Path:
    """Like capnet.scenario.runner.run_scenario, on the hosts of a running lab, when no other scenario runs there."""
    options: dict[str, Any] = {"capture": capture, "image": image, "keep": keep, "why": why, "buffer_mib": buffer_mib}
    with lab_lock.turn(lab.folder, say), docker_errors(), ExitStack() as stack:
        if lab.kernel is HostKernel.UML:
            path = bundle_path(output, name)
            inner.run_scenario(lab.folder, name, options, path, say)
            return path
        settings.mend(lab, say)
        stack.enter_context(settings.applied(lab, library.daemon_settings(name), say, keep=keep))
        hosts = []
        for host in lab.hosts.values():
            hosts.append(connect(host.docker_url, name=host.name))
            stack.callback(hosts[-1].close)
        return run_on_hosts(name, hosts, output=output, say=say, **options)


def play_fault(lab: Lab, fault: Fault, *, output: Path, say: Callable[[str], None], why: bool = False) -> Played:
    """Like capnet.scenario.faults.play.play, on the hosts of a running lab, when no scenario runs there."""
    if lab.kernel is HostKernel.UML:
        raise EnvironmentLacks(f"{fault.name} is played with this machine's kernel: capnet lab down, then again")
    with lab_lock.turn(lab.folder, say), docker_errors(), ExitStack() as stack:
        settings.mend(lab, say)
        hosts = []
        for host in lab.hosts.values():
            hosts.append(connect(host.docker_url, name=host.name))
            stack.callback(hosts[-1].close)
        return play(fault, output, say, hosts, why=why)
