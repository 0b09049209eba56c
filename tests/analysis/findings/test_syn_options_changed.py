"""syn-options-changed: TCP options of SYNs that a host between two points removes or lowers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, SYN, Network, tcp
from tests.story_reports import A, B

POINTS = ("A/ens33", "B/ens33")
V4, V6 = (A, B), ("[fd00::128]", "[fd00::129]")


class Way:
    """Handshakes of A with B; a router between the points rewrites the options of one direction."""

    def __init__(self, ends: tuple[str, str] = V4) -> None:
        self.net = Network(list(POINTS))
        self.client, self.server = ends
        self.port = 40000

    def connect(
        self,
        behind: dict[str, object] | None = None,
        answer_behind: dict[str, object] | None = None,
        offered: int | None = 7,
    ) -> None:
        """`behind`: what the SYN has at B, `answer_behind`: what the SYN-ACK has at A; `offered`: its window scale."""
        self.port += 1
        ends = f"{self.client}:{self.port} > {self.server}:80"
        back = f"{self.server}:80 > {self.client}:{self.port}"
        syn = tcp(ends, seq=self.port, flags=SYN, mss=1460, wscale=7, ident=self.port)
        answer = tcp(
            back, seq=self.port + 7, ack=self.port + 1, flags=SYN | ACK, mss=1460, wscale=offered, ident=self.port
        )
        self.net.pass_by((POINTS[0], syn), (POINTS[1], syn.routed(**(behind or {}))))
        self.net.pass_by((POINTS[1], answer), (POINTS[0], answer.routed(**(answer_behind or {}))))
        ack = tcp(ends, seq=self.port + 1, ack=self.port + 8, ident=self.port + 1)
        self.net.pass_by((POINTS[0], ack), (POINTS[1], ack.routed()))

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, "syn-options-changed")


@pytest.mark.parametrize("ends", [V4, V6], ids=["IPv4", "IPv6"])
def test_window_scale_that_is_removed_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    played = Way(ends)
    for _ in range(3):
        played.connect({"wscale": None}, offered=None)
    (finding,) = played.findings(tmp_path)
    assert (finding["facts"]["from"], finding["facts"]["connections"]) == ("A/ens33", 3)
    assert "no window can exceed 64 KB" in finding["says"]


def test_window_scale_of_answers_that_is_removed_is_told(tmp_path: Path) -> None:
    """The ends disagree then."""
    played = Way()
    played.connect(answer_behind={"wscale": None})
    (finding,) = played.findings(tmp_path)
    assert "the two ends disagree" in finding["says"] and finding["facts"]["from"] == "B/ens33"


@pytest.mark.parametrize(("mss", "is_told"), [(300, True), (1360, False), (536, False)])
def test_mss_that_is_lowered_is_told(tmp_path: Path, mss: int, is_told: bool) -> None:
    """To the MTU of a tunnel, as usual, or below what any network needs."""
    played = Way()
    played.connect({"mss": mss}, {"mss": mss})
    findings = played.findings(tmp_path)
    assert [finding["facts"]["mss_after"] for finding in findings] == [300] * is_told


def test_options_that_arrive_are_silent(tmp_path: Path) -> None:
    played = Way()
    played.connect()
    assert played.findings(tmp_path) == []


def test_options_that_were_not_captured_are_silent(tmp_path: Path) -> None:
    """The snap length of one point ends in the options."""
    played = Way()
    played.net.snaplens = {"B/ens33": 14 + 20 + 24}
    played.connect()
    assert played.findings(tmp_path) == []


def test_end_without_the_option_is_silent(tmp_path: Path) -> None:
    played = Way()
    played.connect({"wscale": None}, {"wscale": None})
    played.net.recorded = [
        (time, point, packet.but(wscale=None))  # type: ignore[union-attr]
        for time, point, packet in played.net.recorded
    ]
    assert played.findings(tmp_path) == []
