"""Writes the bundle of a recording: capture, topology, rules and counters."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from capnet import __version__
from capnet.record.bundle import bundle, leftover
from capnet.record.kernel.witness_file import write_beside
from capnet.record.taps.capture_process import CaptureProcess
from capnet.record.taps.listening import check_complete
from capnet.topology import Topology
from capnet.whole_file import kind_of
from capnet.witnesses import Witnesses


class RunRecording(Protocol):
    """What captures: a session, or the network of a fault. `folder` has the files of the capture programs."""

    @property
    def folder(self) -> Path:
        """Where the files of the capture programs are."""

    @property
    def captures(self) -> Sequence[CaptureProcess]:
        """The capture programs."""

    @property
    def topology(self) -> Topology | None:
        """Who had which address, if that could be asked."""

    @property
    def witnesses(self) -> Witnesses | None:
        """Rules and counters from before and after, if those could be asked."""


def write(path: Path, recording: RunRecording, recorded: dict[str, str]) -> None:
    """Writes the bundle of a recording that ended well. Raises what `writing` and `check_complete` raise."""
    topology = recording.topology
    assert topology is not None
    topology.recorded = recorded
    write_files(path, recording, topology)
    check_complete(recording.captures)


def write_files(path: Path, recording: RunRecording, topology: Topology) -> None:
    """Writes the capture with this topology, and rules and counters if they are known. Raises as `writing`."""
    with writing(path):
        bundle.write(path, recording.captures, topology)
        if recording.witnesses is not None and recording.witnesses.namespaces:  # none if the run failed
            write_beside(path, recording.witnesses)
    leftover.forget(recording.folder)


def versions(captures: Sequence[CaptureProcess]) -> dict[str, str]:
    """Program → version, of what recorded the captures."""
    by_program = {"capnet": __version__}
    for capture in captures:
        lines = capture.point.shell.run([capture.program.name, "--version"]).splitlines()
        by_program.setdefault(capture.program.name, next((line for line in lines if re.search(r"\d\.\d", line)), ""))
    return by_program


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError into an error that says what cannot be written, and why: EnvironmentLacks for a full disk."""
    try:
        yield
    except OSError as error:
        raise kind_of(error)(f"cannot write {path}: {error.strerror}") from error
