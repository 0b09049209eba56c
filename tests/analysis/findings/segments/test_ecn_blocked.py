"""ecn-blocked: SYNs with ECE and CWR that a firewall drops. Played with a real kernel, which falls back (RFC 3168)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, named, of_story
from tests.stories import ACK, SYN, Network, tcp
from tests.story_reports import A, B, read

NAME = "ecn-blocked"
SECOND, ECN = 1e6, 0xC0  # µs; ECE and CWR
V6 = ("[fd00::128]", "[fd00::129]")


class Client:
    """A connects to B, and asks for ECN."""

    def __init__(self, ends: tuple[str, str] = (A, B)) -> None:
        self.net = Network(["A/ens33"])
        self.client, self.server = ends
        self.port = 40000

    def connect(self, *flags: int, answered: bool = True) -> None:
        """SYNs with these flags, a second apart, of which the last one is accepted."""
        self.port += 1
        out, back = f"{self.client}:{self.port} > {self.server}:80", f"{self.server}:80 > {self.client}:{self.port}"
        for number, more in enumerate(flags):
            self.net.now += SECOND * (number > 0)
            self.net.pass_by(("A/ens33", tcp(out, seq=7, flags=SYN | more, ident=self.port % 1000 * 10 + number)))
        if answered:
            self.net.pass_by(("A/ens33", tcp(back, seq=3, ack=8, flags=SYN | ACK, ident=self.port)))
            self.net.pass_by(("A/ens33", tcp(out, seq=8, ack=4, ident=self.port + 1)))

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, NAME)


@pytest.mark.parametrize("ends", [(A, B), V6], ids=["IPv4", "IPv6"])
def test_connections_accepted_without_ecn_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    played = Client(ends)
    for _ in range(2):
        played.connect(ECN, 0)
    report = read(played.net, tmp_path)
    (finding,) = named(report, NAME)
    assert (finding["level"], finding["facts"]["connections"], finding["facts"]["port"]) == ("warning", 2, 80)
    assert "1.0 s late" in finding["says"] and "tcp_ecn" in finding["fix"]
    assert [other["level"] for other in named(report, "retransmissions")] == ["info"]


def test_one_connection_is_silent(tmp_path: Path) -> None:
    """One SYN may be lost by chance."""
    played = Client()
    played.connect(ECN, 0)
    assert played.findings(tmp_path) == []


def test_server_that_accepts_ecn_is_silent(tmp_path: Path) -> None:
    played = Client()
    for flags in ((ECN, 0), (ECN, 0), (ECN,)):
        played.connect(*flags)
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("flags", [(ECN, ECN), (0, 0)], ids=["second try with ECN", "never asked"])
def test_late_answers_for_another_reason_are_silent(tmp_path: Path, flags: tuple[int, ...]) -> None:
    played = Client()
    for _ in range(3):
        played.connect(*flags)
    assert played.findings(tmp_path) == []


def test_server_that_never_accepts_is_silent(tmp_path: Path) -> None:
    """connection-unanswered: whatever the SYNs ask for."""
    played = Client()
    for _ in range(3):
        played.connect(ECN, 0, answered=False)
    assert played.findings(tmp_path) == []
