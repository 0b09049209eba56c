"""clock-skew: two hosts whose clocks disagree, or agree. `correlate/test_clocks.py` tests the estimate itself."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, tcp
from tests.story_reports import C1, POINTS, A, B, inward, outward


def conversation(folder: Path, ahead_us: float) -> Findings:
    """A request and an answer a second, while B's clock is so far ahead."""
    net = Network(POINTS, clocks={"B/ens33": (ahead_us, 0.0)})
    for number in range(20):
        net.now = number * 1e6
        outward(net, tcp(f"{C1}:5555 > {B}:7000", b"ask", seq=3 * number, ack=5 * number, ident=number + 1))
        answer = tcp(f"{B}:7000 > {A}:5555", b"reply", seq=5 * number, ack=3 * number + 3, ident=number + 5000)
        inward(net, answer, f"{C1}:5555")
    return of_story(net, folder, "clock-skew")


def test_clock_half_a_second_ahead_is_told(tmp_path: Path) -> None:
    (finding,) = conversation(tmp_path, 500_000.0)
    facts = finding["facts"]
    assert (finding["level"], facts["clock"], facts["reference"]) == ("info", "B", "A")
    assert abs(facts["ahead_us"] - 500_000) < 100 and facts["both_directions"]
    assert {frame["point"] for frame in finding["evidence"]} == {"A/ens33", "B/ens33"}


def test_clock_that_agrees_is_silent(tmp_path: Path) -> None:
    assert conversation(tmp_path, 0.0) == []
