"""ICMP errors in captures of 64 octets a frame: the quoted packet ends before its ports."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import Findings, cut_frames, named, of_story
from tests.stories import SYN, Network, about, ping, tcp
from tests.story_reports import A, B

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


@pytest.mark.parametrize("first", [80, 8080])
def test_syns_that_no_error_is_about_is_told(tmp_path: Path, first: int) -> None:
    """A router rejects one port, and drops what goes to another one of the same server."""
    net = Network(["A/ens33"], snaplens={"A/ens33": OCTETS})
    for at in (0, 1, 3, 7):
        net.at(at * 1e6, "A/ens33", tcp(f"{A}:5000 > 10.9.0.5:80", seq=100, flags=SYN, ident=1 + at))
    rejected = tcp(f"{A}:5001 > 10.9.0.5:8080", seq=300, flags=SYN, ident=9)
    at = 7.5e6 if first == 80 else 5e5
    net.at(at, "A/ens33", rejected)
    net.at(at + 1e3, "A/ens33", about(ping(f"192.168.111.1 > {A}", 0, 0, icmp=(3, 13)), rejected))
    net.at(10e6, "A/ens33", tcp(f"{A}:5003 > {B}:80", seq=100, flags=SYN))
    (finding,) = of_story(net, tmp_path, "connection-unanswered")
    assert finding["facts"]["port"] == 80


def test_published_port_with_an_unreachable_backend_is_told(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, "published-port-blocked", "node__eth0", "node__cni0")
    assert finding["says"] == "7 SYNs of 10.60.0.5 to 10.50.0.11:8080 do not get in: 10.50.0.11 answers 'unreachable'"
    assert "whether the address behind the port is still there" in finding["fix"]
