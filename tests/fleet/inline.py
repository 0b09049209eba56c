"""A fleet in this process, and the captures that tests give to fleets."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from capnet.fleet.captures import named_captures
from capnet.fleet.folder import fleet_folder, keep_options, options_of
from capnet.fleet.job import Job, Record
from capnet.fleet.one_capture import analyze_capture
from capnet.fleet.run import Run
from tests.conftest import PROJECT

GOLDENS = PROJECT / "pcaps"


class Inline:
    """Analyzes in this process what is added."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def add(self, job: Job) -> None:
        self.jobs.append(job)

    def __iter__(self) -> Iterator[tuple[Job, Record]]:
        while self.jobs:
            job = self.jobs.pop(0)
            yield job, analyze_capture(job)


def run_fleet(
    names: Iterable[Path | str], folder: Path, format_: str = "jsonl", topology: Path | None = None
) -> tuple[dict[str, Any], list[Job]]:
    """The merged report, and the captures that this run analyzed."""
    with fleet_folder(folder):
        options = options_of(folder, format_, None, topology)
        run = Run(named_captures(map(str, names), folder), folder, options)
        keep_options(folder, options)
        analyzed = list(run.waiting.values())
        run.analyze(Inline(), lambda state: None)
        return run.merge(), analyzed


def copies(folder: Path, count: int) -> Path:
    """So many captures: copies of stored ones in turn, every third damaged, cut off or no capture at all."""
    folder.mkdir(parents=True)
    stored = sorted(GOLDENS.glob("*.pcapng"))
    for number in range(count):
        source, target = stored[number % len(stored)], folder / f"n{number:03}-host.pcapng"
        data = source.read_bytes()
        if number % 3 == 2:
            overwritten = data[:1000] + b"\xff" * 64 + data[1064:]
            data = (data[: len(data) // 2], b"no capture", overwritten, b"")[number // 3 % 4]
        target.write_bytes(data)
        shutil.copy(source.with_suffix(".topology.json"), target.with_suffix(".topology.json"))
    return folder


def results(folder: Path) -> dict[str, bytes]:
    """Name → content of every result but records, which have the time that they took, and the merged report."""
    kinds = ("reports", "flows", "nat", "findings", "models", "connections", "joined")
    files = [file for kind in kinds for file in (folder / kind).glob("*")]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}
