"""Runs a scenario from its first step to the removal of all that it made, and leaves a bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from capnet.errors import ScenarioFailed, UsageError
from capnet.interrupts import Interruptible
from capnet.record.bundle import bundle, leftover
from capnet.record.remote.docker_host import DockerHost
from capnet.record.run_id import temporary_folder, this_run
from capnet.record.taps.capture_program import BUFFER_MIB
from capnet.scenario import library
from capnet.scenario.bundle.bundle_writer import versions, write, writing
from capnet.scenario.bundle.failed_run import kept
from capnet.scenario.docker import run_labels
from capnet.scenario.docker.image import DEFAULT as DEFAULT_IMAGE
from capnet.scenario.preflight.plan import plan_of
from capnet.scenario.preflight.preflight import check_hosts
from capnet.scenario.preflight.running import only_run
from capnet.scenario.session import Session
from capnet.scenario.undo import Undo, docker_errors

DEFAULT_FOLDER = Path("captures")


def run_scenario(
    name: str,
    hosts: Sequence[DockerHost],
    *,
    output: Path,
    capture: tuple[str, ...] = (),
    image: str = DEFAULT_IMAGE,
    keep: bool = False,
    why: bool = False,
    buffer_mib: int = BUFFER_MIB,
    say: Callable[[str], None],
) -> Path:
    """Runs the scenario on one or two hosts and returns the path of its capture.

    Raises ScenarioFailed when a step fails, UsageError or EnvironmentLacks when it cannot run here. Nothing is left
    behind then, or after Ctrl-C or SIGTERM, but the packets captured so far; after a success, `keep` leaves containers
    and networks. `why` asks the kernels which rule decides about each packet.
    """
    module = library.load(name)
    if module.NEEDS_PEER and len(hosts) < 2:
        raise library.second_host_missing(name)
    path = bundle_path(output, name)
    run = this_run()
    with docker_errors(), Interruptible() as interruptible, only_run(hosts), Undo(say) as undo:
        for line in run_labels.sweep(hosts, say):
            say(f"removed what a dead run left: {line}")
        check_hosts(plan_of(name, module), hosts, capture, path.parent)
        if not keep:  # runs last: what was interrupted while Docker made it can be found by its label alone
            undo.callback(run_labels.remove, hosts, lambda labels: labels.get(run_labels.RUN) == run)
        folder = temporary_folder("taps")
        undo.callback(leftover.remove, folder)
        session = Session(name, list(hosts), run, folder, undo, say, image, capture, keep, why, path, buffer_mib)
        try:
            with kept(path, session, hosts, say):
                module.run(session)
                interruptible.no_more()  # from here on it would only lose what was captured
                if session.topology is None:
                    raise ScenarioFailed(f"scenario {name} captured nowhere")
                write(path, session, versions(session.captures))
        finally:
            interruptible.no_more()
            say("kept; remove it with `capnet scenario clean`" if keep else "remove everything again")
    return path


def bundle_path(output: Path, name: str) -> Path:
    """`FILE.pcapng` as given, or NAME.pcapng in a folder.

    UsageError where it cannot be written: said before the scenario runs, not after.
    """
    if output.suffix in (".pcap", ".cap", ".gz"):
        raise UsageError(f"--output {output}: the bundle is a pcapng file; call it {output.with_suffix('.pcapng')}")
    path = output if output.suffix == ".pcapng" else output / f"{name}.pcapng"
    with writing(path):
        bundle.check_writable(path)
    return path
