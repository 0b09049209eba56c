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


@pytest.mark.parametrize("source", [TCP, BRIDGE])
def test_whole_file_is_silent(source: Path) -> None:
    assert damaged(source) == []


def test_empty_capture_is_silent(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcap"
    path.write_bytes(TCP.read_bytes()[:24])
    assert damaged(path) == []
