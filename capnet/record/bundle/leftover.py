"""Packets that are in no bundle yet: a note in the folder of the capture programs, by which they can become one.

The note is written when the programs listen, and removed when the packets are in a bundle, or there are none. So what
a kill -9 or a full disk leaves is a folder with a note, and the next run or `capnet scenario clean` makes the bundle.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from capnet import __version__
from capnet.errors import CapnetError
from capnet.record.bundle import bundle
from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.shell import Shell
from capnet.record.run_id import folders_of_runs, remove_folders
from capnet.record.taps.capture_process import CaptureProcess
from capnet.record.taps.file_counters import FileCounters
from capnet.topology import Topology
from capnet.whole_file import whole

_NOTE = "bundle.json"


@dataclass
class _DeadCapture:
    """A capture whose program had no time to tell its counters."""

    point: CapturePoint
    path: Path
    started_ns: int | None
    ended_ns: int | None = None
    received: int | None = None
    dropped: int | None = None
    interface_dropped: int | None = None


def note(folder: Path, captures: Sequence[CaptureProcess], path: Path, scenario: str | None) -> None:
    """Notes that the files of these programs are to become the bundle at `path`."""
    content = {
        "path": str(path.absolute()),
        "scenario": scenario,
        "captures": [
            {
                "file": capture.path.name,
                "started_ns": capture.started_ns,
                "point": {key: value for key, value in asdict(capture.point).items() if key != "shell"},
            }
            for capture in captures
        ],
    }
    with whole(folder / _NOTE, private=True) as file:  # half a note would keep the folder for ever
        file.write(json.dumps(content).encode())


def is_noted(folder: Path) -> bool:
    """Whether the packets in the folder are in no bundle yet."""
    return (folder / _NOTE).exists()


def forget(folder: Path) -> None:
    """The packets in the folder are in a bundle now, or there are none."""
    (folder / _NOTE).unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Removes a folder of capture programs, unless its packets are in no bundle yet."""
    if not is_noted(folder):
        shutil.rmtree(folder, ignore_errors=True)


def sweep(which: Callable[[str], bool], say: Callable[[str], None]) -> list[str]:
    """Removes the folders of the runs that `which` accepts, and returns a line for each.

    Packets in them become the bundle that they were to become. Where that fails, they stay, and `say` is told why.
    """
    lines, spared = [], []
    for folder in folders_of_runs(which):
        if not is_noted(folder):
            continue
        try:
            path, packets = _recover(folder)
        except (OSError, ValueError, KeyError, TypeError, CapnetError) as error:
            spared.append(folder)
            say(f"the packets that a dead run left in {folder} stay there: {error}")
            continue
        if packets:
            spared.append(folder)
            shutil.rmtree(folder, ignore_errors=True)
            lines.append(f"folder {folder}, whose {packets:,} packet{'s' * (packets != 1)} are in {path} now")
    return lines + remove_folders(which, spared)


def free_path(path: Path) -> Path:
    """`path`, or the first that is free of `NAME.partial.pcapng`, `NAME.partial-2.pcapng` …: no capture is replaced."""
    free, number = path, 1
    while free.exists():
        free = path.with_name(f"{path.stem}.partial{f'-{number}' if number > 1 else ''}.pcapng")
        number += 1
    return free


def _recover(folder: Path) -> tuple[Path, int]:
    """Writes the bundle of a folder; (its path, how many packets are in it). Without packets there is none."""
    content = json.loads((folder / _NOTE).read_text())
    captures = [_capture(folder, entry) for entry in content["captures"]]
    packets = sum(_packets(capture.path) for capture in captures)
    path = free_path(Path(content["path"]))
    if packets:
        points = [capture.point.listening_point() for capture in captures]
        topology = Topology(content["scenario"], {"capnet": __version__}, points=points)
        bundle.write(path, captures, topology)
    forget(folder)
    return path, packets


def _capture(folder: Path, entry: dict[str, Any]) -> _DeadCapture:
    point = CapturePoint(shell=Shell("self"), **entry["point"])
    return _DeadCapture(point, folder / Path(entry["file"]).name, entry["started_ns"])


def _packets(path: Path) -> int:
    with closing(FileCounters(path)) as counters:
        return counters.totals().packets
