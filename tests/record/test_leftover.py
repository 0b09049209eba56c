"""The files of capture programs whose run died become the bundle that they were to become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from capnet.record import run_id
from capnet.record.bundle import leftover
from capnet.topology import Topology
from capnet.wire.capture import open_capture
from tests.record.test_bundle import capture

DEAD = "00000000-1-1"


@pytest.fixture
def dead_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run that died: two points, the second file ends in the middle of a packet."""
    monkeypatch.setattr(run_id.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = tmp_path / f"capnet-{DEAD}-taps-x"
    folder.mkdir()
    captures = [capture(folder, "A/one/eth0", (1, 10), (5, 11)), capture(folder, "A/two/eth0", (3, 20), (7, 21))]
    captures[1].path.write_bytes(captures[1].path.read_bytes()[:-9])
    leftover.note(folder, captures, tmp_path / "out" / "x.pcapng", "made")
    return folder


def frames(path: Path) -> list[tuple[str | None, int]]:
    with open_capture(path, compiled=False) as opened:
        numbers = [(record.interface, record.data[-1]) for record in opened.records()]
        return [(opened.interfaces[interface].name, number) for interface, number in numbers]


def test_dead_run_becomes_its_bundle(dead_run: Path, tmp_path: Path) -> None:
    lines = leftover.sweep(lambda run: run == DEAD, print)
    assert lines == [f"folder {dead_run}, whose 3 packets are in {tmp_path / 'out' / 'x.pcapng'} now"]
    assert frames(tmp_path / "out" / "x.pcapng") == [("A/one/eth0", 10), ("A/two/eth0", 20), ("A/one/eth0", 11)]
    topology = Topology.load(tmp_path / "out" / "x.topology.json")
    assert (topology.scenario, [point.name for point in topology.points]) == ("made", ["A/one/eth0", "A/two/eth0"])
    assert not dead_run.exists()


def test_dead_run_replaces_no_capture(dead_run: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.pcapng").write_bytes(b"as it was")
    leftover.sweep(lambda run: True, print)
    assert (tmp_path / "out" / "x.pcapng").read_bytes() == b"as it was"
    assert len(frames(tmp_path / "out" / "x.partial.pcapng")) == 3


def test_dead_run_replaces_no_partial_capture(dead_run: Path, tmp_path: Path) -> None:
    """The packets of a run that died before are kept as well."""
    (tmp_path / "out").mkdir()
    for name in ("x.pcapng", "x.partial.pcapng"):
        (tmp_path / "out" / name).write_bytes(b"as it was")
    leftover.sweep(lambda run: True, print)
    assert (tmp_path / "out" / "x.partial.pcapng").read_bytes() == b"as it was"
    assert len(frames(tmp_path / "out" / "x.partial-2.pcapng")) == 3


def test_packets_that_cannot_be_written_stay(dead_run: Path, tmp_path: Path) -> None:
    """The bundle's folder is a file: a sentence says why, and the packets are there for the next time."""
    (tmp_path / "out").touch()
    said: list[str] = []
    assert leftover.sweep(lambda run: True, said.append) == []
    assert said[0].startswith(f"the packets that a dead run left in {dead_run} stay there: [Errno 20] Not a directory")
    (tmp_path / "out").unlink()
    assert len(leftover.sweep(lambda run: True, print)) == 1
    assert not dead_run.exists()


def test_living_run_is_left_alone(dead_run: Path) -> None:
    assert leftover.sweep(lambda run: False, print) == []
    assert dead_run.exists()


def test_run_without_packets_leaves_no_bundle(dead_run: Path, tmp_path: Path) -> None:
    content = json.loads((dead_run / "bundle.json").read_text())
    for entry in content["captures"]:
        (dead_run / entry["file"]).write_bytes(b"")
    assert leftover.sweep(lambda run: True, print) == [f"folder {dead_run}"]
    assert not (tmp_path / "out").exists()


def test_folder_is_removed_when_its_packets_are_in_a_bundle(dead_run: Path) -> None:
    leftover.remove(dead_run)
    assert dead_run.exists()
    leftover.forget(dead_run)
    leftover.remove(dead_run)
    assert not dead_run.exists()
