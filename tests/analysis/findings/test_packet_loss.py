"""packet-loss: packets missing at the next point. `correlate/test_loss.py` tests how they are counted."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, udp
from tests.story_reports import C1, POINTS, A, B


def datagrams(folder: Path, missing: set[int]) -> Findings:
    """The findings about 20 datagrams to B, these of which never reach it."""
    net = Network(POINTS)
    for number in range(20):
        packet = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        outside = packet.routed(src=A)
        hops = [*((point, packet) for point in POINTS[:3]), *((point, outside) for point in POINTS[3:])]
        net.pass_by(*(hops[:4] if number in missing else hops))
    return of_story(net, folder, "packet-loss")


def test_packets_missing_at_next_point_is_told(tmp_path: Path) -> None:
    (finding,) = datagrams(tmp_path, {5, 6, 11})
    facts = finding["facts"]
    assert (finding["level"], facts["after"], facts["before"]) == ("warning", "A/ens33", "B/ens33")
    assert (facts["lost"], facts["packets"], facts["flows"]) == (3, 20, 1)


def test_packets_that_all_arrive_is_silent(tmp_path: Path) -> None:
    assert datagrams(tmp_path, set()) == []
