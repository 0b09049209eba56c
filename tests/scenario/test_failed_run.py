"""What was captured when a run fails is written, and the error, or `say`, tells where it is."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from capnet.errors import EnvironmentLacks, ScenarioFailed
from capnet.record.bundle import leftover
from capnet.record.taps.capture_process import CaptureProcess
from capnet.scenario.bundle.failed_run import kept
from capnet.topology import Topology
from capnet.wire.capture import open_capture
from tests.record.test_bundle import capture

AT_NOON = "12:00:00"
ENDED = f"dumpcap at A/one/eth0 ended early at {AT_NOON}: killed by SIGKILL; 2 packets of it are kept"


@dataclass
class Recording:
    """Two points of which one program was killed; `topology` could not be asked any more."""

    folder: Path
    captures: list[CaptureProcess]
    topology: Topology | None = None
    witnesses: None = None


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    folder = tmp_path / "taps"
    folder.mkdir()
    captures = [capture(folder, "A/one/eth0", (1, 10), (5, 11)), capture(folder, "A/two/eth0", (3, 20))]
    for each, command in zip(captures, ("kill -9 $$", "cat"), strict=True):
        each.process = subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE)
    captures[0].process.wait()
    captures[0].last_alive_ns = int(time.mktime((2026, 11, 28, 12, 0, 0, 0, 0, -1)) * 1e9)
    leftover.note(folder, captures, tmp_path / "x.pcapng", "made")
    return Recording(folder, captures)


def frames(path: Path) -> int:
    with open_capture(path, compiled=False) as opened:
        return sum(1 for _ in opened.records())


def test_failed_step_names_program_and_bundle(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    with pytest.raises(ScenarioFailed) as raised, kept(path, recording, [], print):
        raise ScenarioFailed("no answer")
    assert str(raised.value) == f"no answer; {ENDED}; 3 packets captured at 2 points are kept in {path}"
    assert frames(path) == 3
    points = Topology.load(tmp_path / "x.topology.json").points
    assert [point.name for point in points] == ["A/one/eth0", "A/two/eth0"]
    leftover.remove(recording.folder)
    assert not recording.folder.exists()


def test_interrupt_stays_an_interrupt(recording: Recording, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt), kept(tmp_path / "x.pcapng", recording, [], said.append):
        raise KeyboardInterrupt
    assert said == [ENDED, f"3 packets captured at 2 points are kept in {tmp_path / 'x.pcapng'}"]


def test_complete_capture_stays(recording: Recording, tmp_path: Path) -> None:
    (tmp_path / "x.pcapng").write_bytes(b"as it was")
    with pytest.raises(ScenarioFailed) as raised, kept(tmp_path / "x.pcapng", recording, [], print):
        raise ScenarioFailed("no answer")
    assert str(raised.value).endswith(f"are kept in {tmp_path / 'x.partial.pcapng'}")
    assert (tmp_path / "x.pcapng").read_bytes() == b"as it was"
    assert frames(tmp_path / "x.partial.pcapng") == 3


def test_packets_without_a_place_stay_in_the_folder(recording: Recording, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ScenarioFailed) as raised, kept(tmp_path / "file" / "x.pcapng", recording, [], print):
        raise ScenarioFailed("no answer")
    assert f"cannot write {tmp_path / 'file' / 'x.pcapng'}: " in str(raised.value)
    assert str(raised.value).endswith(f"are kept in {recording.folder} until `capnet scenario clean`")
    leftover.remove(recording.folder)
    assert recording.folder.exists()


def test_daemon_that_has_gone_is_one_sentence(recording: Recording, tmp_path: Path) -> None:
    """What docker-py raises when the daemon ends in the middle of an answer."""
    with pytest.raises(EnvironmentLacks) as raised, kept(tmp_path / "x.pcapng", recording, [], print):
        raise requests.ConnectionError(("Connection aborted.", ConnectionResetError(104, "Connection reset by peer")))
    assert str(raised.value).startswith(f"Docker: the daemon does not answer any more; {ENDED}; 3 packets")


def test_nothing_captured_leaves_no_bundle(recording: Recording, tmp_path: Path) -> None:
    for each in recording.captures:
        each.path.write_bytes(b"")
    recording.captures.pop(0)
    with pytest.raises(ScenarioFailed, match=r"^no answer$"), kept(tmp_path / "x.pcapng", recording, [], print):
        raise ScenarioFailed("no answer")
    assert not (tmp_path / "x.pcapng").exists()
