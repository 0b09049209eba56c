"""capture-damaged: files that are cut off, whole ones, and ones that hold nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import Findings, named
from tests.conftest import PROJECT

TCP = PROJECT / "tests" / "made" / "tcp.pcap"
BRIDGE = PROJECT / "pcaps" / "bridge.pcapng"


def damaged(path: Path) -> Findings:
    """The findings about a damaged capture at this path."""
    return named(analyze(path).to_dict(), "capture-damaged")


@pytest.mark.parametrize("source", [TCP, BRIDGE])
def test_file_that_is_cut_off_is_told(source: Path, tmp_path: Path) -> None:
    path = tmp_path / f"cut{source.suffix}"
    path.write_bytes(source.read_bytes()[:-3])
    (finding,) = damaged(path)
    (problem,) = analyze(path).inputs[0].problems
    assert (finding["level"], finding["facts"]["offset"], finding["count"]) == ("warning", problem.offset, 1)
    assert "cut" + source.suffix in finding["says"]
    assert str(tmp_path) not in finding["says"] + str(finding["facts"])


def test_file_changed_inside_is_told(tmp_path: Path) -> None:
    """git took it for text and dropped a CR before an LF: no signal to the capture program helps."""
    raw = TCP.read_bytes()
    at = len(raw) // 2
    path = tmp_path / "changed.pcap"
    path.write_bytes(raw[:at] + raw[at + 1 :])
    (finding,) = damaged(path)
    assert finding["facts"]["problems"][0] == "damaged-file"
    assert "in binary" in finding["fix"] and "SIGINT" not in finding["fix"]


@pytest.mark.parametrize("source", [TCP, BRIDGE])
def test_whole_file_is_silent(source: Path) -> None:
    assert damaged(source) == []


def test_empty_capture_is_silent(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcap"
    path.write_bytes(TCP.read_bytes()[:24])
    assert damaged(path) == []


def test_section_of_another_version_is_silent(tmp_path: Path) -> None:
    """The file is whole: to copy it again would not help."""
    raw = BRIDGE.read_bytes()
    header = bytes.fromhex("0a0d0d0a 1c000000 4d3c2b1a 0200 0000 ffffffffffffffff 1c000000")
    path = tmp_path / "later.pcapng"
    path.write_bytes(raw + header)
    assert [problem.name for problem in analyze(path).inputs[0].problems] == ["unknown-version"]
    assert damaged(path) == []


def test_last_frame_is_evidence_of_its_own_point_only(tmp_path: Path) -> None:
    """Of several points in a file, it is not known which one the frame is of."""
    for source, frames in ((TCP, 1), (BRIDGE, 0)):
        path = tmp_path / f"cut{source.suffix}"
        path.write_bytes(source.read_bytes()[:-3])
        (finding,) = damaged(path)
        assert len(finding["evidence"]) == frames
