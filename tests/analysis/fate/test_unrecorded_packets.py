"""Packets that a point did not record are no loss of the network.

The packets of stored captures that all arrived are taken out at single points, as a capture program that drops them
would; each of them was seen at a later point, acknowledged or answered.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.fate.altered import capture
from tests.stories import Network, udp
from tests.story_reports import C1, POINTS, A, B, findings_named, lost, path_of, read

PCAPS = Path(__file__).parents[3] / "pcaps"
DROPPED_SHARE = 0.25
ARRIVAL_PROVEN = ("bridge", "bridge-user-defined", "overlay", "macvlan", "container")  # TCP and pings both ways


@pytest.mark.parametrize("name", ARRIVAL_PROVEN)
def test_capture_that_drops_a_quarter_is_no_loss(name: str, tmp_path: Path) -> None:
    """At each point in turn a quarter of the packets is not recorded."""
    whole = capture(PCAPS / f"{name}.pcapng")
    points = sorted({record.point for record in whole.records})
    own = {finding.name for finding in analyze(PCAPS / f"{name}.pcapng").findings}
    told = []
    for point in points:
        chance = random.Random(point)
        rest = whole.without(
            lambda record, point=point, chance=chance: record.point == point and chance.random() < DROPPED_SHARE
        )
        report = analyze(rest.write(tmp_path / "dropped.pcapng"))
        told += [
            (finding.name, finding.facts)
            for finding in report.findings
            if finding.level != "info" and finding.name not in own
        ]
    assert told == []


def test_packets_seen_at_a_later_point_passed(tmp_path: Path) -> None:
    """Three of twenty datagrams are missing at A/ens33 and come in at B/ens33: nothing answers them."""
    net = Network(POINTS)
    for number in range(20):
        packet = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        outside = packet.routed(src=A)
        hops = [*((point, packet) for point in POINTS[:3]), *((point, outside) for point in POINTS[3:])]
        net.pass_by(*(hop for hop in hops if number not in (5, 6, 11) or hop[0] != "A/ens33"))
    report = read(net, tmp_path)
    assert lost(path_of(report, C1, B)) == [None, 0, 0, None, 0]
    assert not findings_named(report, "packet-loss")
