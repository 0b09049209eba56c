"""clock-skew: two hosts whose clocks disagree, or agree. `correlate/test_clocks.py` tests the estimate itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, tcp
from tests.story_reports import C1, POINTS, A, B, inward, outward


def conversation(folder: Path, ahead_us: float, drift: float = 0.0) -> Findings:
    """A request and an answer a second, while B's clock is so far ahead, and gains µs a second."""
    net = Network(POINTS, clocks={"B/ens33": (ahead_us, drift)})
    for number in range(20):
        net.now = number * 1e6
        outward(net, tcp(f"{C1}:5555 > {B}:7000", b"ask", seq=3 * number, ack=5 * number, ident=number + 1))
        answer = tcp(f"{B}:7000 > {A}:5555", b"reply", seq=5 * number, ack=3 * number + 3, ident=number + 5000)
        inward(net, answer, f"{C1}:5555")
    return of_story(net, folder, "clock-skew")


@pytest.mark.parametrize(("ahead_us", "words"), [(500_000.0, "500.000 ms ahead of"), (-500_000.0, "500.000 ms behind")])
def test_clock_that_differs_by_half_a_second_is_told(tmp_path: Path, ahead_us: float, words: str) -> None:
    (finding,) = conversation(tmp_path, ahead_us)
    facts = finding["facts"]
    assert (finding["level"], facts["clock"], facts["reference"]) == ("info", "B", "A")
    assert abs(facts["ahead_us"] - ahead_us) < 100 and facts["both_directions"]
    assert words in finding["says"] and finding["says"].endswith(f"that of A ({facts['pairs']} packets compared)")
    assert {frame["point"] for frame in finding["evidence"]} == {"A/ens33", "B/ens33"}


@pytest.mark.parametrize(("drift", "words"), [(100.0, "gains 1.900 ms in 19"), (-100.0, "loses 1.900 ms in")])
def test_clock_that_drifts_is_told(tmp_path: Path, drift: float, words: str) -> None:
    """By 0.1 ms a second."""
    (finding,) = conversation(tmp_path, 0.0, drift=drift)
    assert "at first agrees with that of A" in finding["says"] and words in finding["says"]
    assert finding["facts"]["drift_us_per_s"] == pytest.approx(drift, rel=0.01)


def test_clock_that_agrees_is_silent(tmp_path: Path) -> None:
    assert conversation(tmp_path, 0.0) == []
