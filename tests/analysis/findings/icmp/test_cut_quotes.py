"""ICMP errors in captures of 64 octets a frame: the quoted packet ends before its ports."""

from __future__ import annotations

from pathlib import Path

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import Findings, cut_frames, named

RECORDED = "tests/analysis/findings/recorded/dead-backend"
OCTETS = 64


def findings(folder: Path, name: str, *points: str) -> Findings:
    paths = [cut_frames(f"{RECORDED}/{point}.pcap", OCTETS, folder) for point in points]
    return named(analyze(paths).to_dict(), name)


def test_host_that_answers_unreachable_about_itself_is_told(tmp_path: Path) -> None:
    """The port is not known, so no finding about it can name the host's rule."""
    (finding,) = findings(tmp_path, "host-unreachable", "node__eth0")
    assert finding["says"].startswith("10.50.0.11 answers 10.60.0.5 'host unreachable' about packets to itself 7 times")


def test_port_of_a_cut_quote_is_silent(tmp_path: Path) -> None:
    assert findings(tmp_path, "dnat-to-dead-backend", "node__eth0", "node__cni0") == []


def test_syns_that_an_error_is_about_is_silent(tmp_path: Path) -> None:
    """They have an answer, if not of the server."""
    assert findings(tmp_path, "connection-unanswered", "node__eth0") == []


def test_published_port_with_an_unreachable_backend_is_told(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, "published-port-blocked", "node__eth0", "node__cni0")
    assert finding["says"] == "7 SYNs of 10.60.0.5 to 10.50.0.11:8080 do not get in: 10.50.0.11 answers 'unreachable'"
    assert "whether the address behind the port is still there" in finding["fix"]
