"""retransmissions: TCP segments sent again, and those that only look so."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import named, of_story
from tests.conftest import PROJECT
from tests.stories import SYN, Network, tcp
from tests.story_reports import A, B, read


def segments(net: Network, first: int, order: list[int], gap: float = 100.0) -> None:
    """Segments of 1000 octets in this order, seen at both ends of the wire."""
    for number in order:
        segment = tcp(f"{A}:5555 > {B}:80", bytes(1000), seq=first + 1000 * number, ident=round(net.now / 100) % 60_000)
        net.pass_by(("A/ens33", segment), ("B/ens33", segment), gap=gap)


def test_segment_sent_again_later_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    segments(net, 0, list(range(8)))
    net.now += 2e5
    segments(net, 0, [3, 8])
    (finding,) = of_story(net, tmp_path, "retransmissions")
    assert (finding["level"], finding["facts"]) == ("warning", {"segments": {"A/ens33": 1, "B/ens33": 1}})
    assert [frame["frame"] for frame in finding["evidence"]] == [17, 18]  # the second sending, not the flow's beginning


def test_segments_that_overtake_each_other_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    segments(net, 0, [0, 2, 1, 3, 5, 6, 4, 7])
    assert of_story(net, tmp_path, "retransmissions") == []


@pytest.mark.parametrize("second", [500_000_000, 1_001_200_000], ids=["lower numbers", "slightly higher numbers"])
def test_ports_used_again_is_silent(tmp_path: Path, second: int) -> None:
    """The second connection's sequence numbers are below those of the first, or a little above: no gap either."""
    net = Network(["A/ens33", "B/ens33"])
    for first in (1_000_000_000, second):
        syn = tcp(f"{A}:5555 > {B}:80", seq=first - 1, flags=SYN, ident=7)
        net.pass_by(("A/ens33", syn), ("B/ens33", syn))
        segments(net, first, list(range(5)))
        net.now += 1e6
    report = read(net, tmp_path)
    assert named(report, "retransmissions") == named(report, "sequence-gap") == []
    assert {row["retransmissions"] for row in report["flows"]["top"]} == {0}


def test_fix_at_one_point_names_no_paths() -> None:
    """A capture of one point has no hops to look at: the next step is to capture at another one."""
    path = PROJECT / "pcaps" / "faults" / "retransmissions.pcapng"
    fix = next(finding.fix for finding in analyze(path).findings if finding.name == "retransmissions")
    assert fix is not None
    assert "capture at the next hop too" in fix and "Paths" not in fix
