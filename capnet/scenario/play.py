"""Plays a scenario from the first step to the last trace removed, and leaves a bundle."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from capnet import __version__
from capnet.errors import ScenarioFailed, UsageError
from capnet.record import bundle
from capnet.record.host import DockerHost
from capnet.record.run import folder as temporary_folder
from capnet.record.run import this_run
from capnet.scenario import library, runs
from capnet.scenario.image import DEFAULT as DEFAULT_IMAGE
from capnet.scenario.interrupts import Interruptible
from capnet.scenario.stage import Stage
from capnet.scenario.undo import Undo, docker_errors

DEFAULT_FOLDER = Path("captures")


def play(
    name: str,
    hosts: Sequence[DockerHost],
    *,
    output: Path,
    capture: tuple[str, ...] = (),
    image: str = DEFAULT_IMAGE,
    keep: bool = False,
    say: Callable[[str], None],
) -> Path:
    """Plays the scenario on one or two hosts and returns the path of its capture.

    Raises ScenarioFailed when a step fails, UsageError or EnvironmentLacks when it could not be done here.
    Nothing is left behind then, or after Ctrl-C or SIGTERM, but what `keep` is to leave after a success.
    """
    module = library.load(name)
    if module.NEEDS_PEER and len(hosts) < 2:
        raise library.second_host_missing(name)
    path = bundle_path(output, name)
    run = this_run()
    with docker_errors(), Interruptible() as interruptible, Undo(say) as undo:
        for line in runs.sweep(hosts):
            say(f"removed what a dead run left: {line}")
        if not keep:  # the last to run: what was being made when the axe fell has the label, if nothing else
            undo.callback(runs.remove, hosts, lambda labels: labels.get(runs.RUN) == run)
        folder = temporary_folder("taps")
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        stage = Stage(name, list(hosts), run, folder, undo, say, image, capture, keep)
        try:
            module.play(stage)
            if stage.topology is None:
                raise ScenarioFailed(f"scenario {name} listened nowhere")
            stage.topology.recorded = _versions(stage)
            with writing(path):
                bundle.write(path, stage.taps, stage.topology)
        finally:
            interruptible.no_more()
            say("kept; remove it with `capnet scenario clean`" if keep else "remove everything again")
    return path


def bundle_path(output: Path, name: str) -> Path:
    """`FILE.pcapng` as given, or NAME.pcapng in a folder.

    UsageError where it could not be written, so that nobody waits for a capture that then has no place.
    """
    if output.suffix in (".pcap", ".cap", ".gz"):
        raise UsageError(f"--output {output}: the bundle is a pcapng file; call it {output.with_suffix('.pcapng')}")
    path = output if output.suffix == ".pcapng" else output / f"{name}.pcapng"
    with writing(path):
        bundle.check_writable(path)
    return path


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """OSError as UsageError: what cannot be written, and why."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _versions(stage: Stage) -> dict[str, str]:
    """What recorded it, for the topology."""
    versions = {"capnet": __version__}
    for tap in stage.taps:
        said = tap.point.shell.run([tap.program.name, "--version"]).splitlines()
        versions.setdefault(tap.program.name, next((line for line in said if re.search(r"\d\.\d", line)), ""))
    return versions
