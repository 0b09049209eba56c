"""VLAN ids in stations, points, flows and hops, against what tshark shows of a golden capture, and stacks of tags."""

from __future__ import annotations

import struct
from itertools import islice
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.wire.capture import open_capture
from tests.conftest import PROJECT
from tests.report.golden_documents import document

TAGGED = PROJECT / "pcaps" / "macvlan-vlan.pcapng"  # tshark: vlan.id 10 at A/ens33 and B/ens33, 38 frames each
STACKED = PROJECT / "tests" / "made" / "vlan.pcap"


def test_vlan_of_golden_is_at_its_points_only() -> None:
    report = document(TAGGED)
    assert {point["name"]: point["vlans"] for point in report["points"] if point["vlans"]} == {
        "A/ens33": [10],
        "B/ens33": [10],
    }
    assert {tuple(flow["vlan"]) for flow in report["flows"]["top"] if flow["point"] == "A/ens33"} == {(10,)}
    assert {tuple(flow["vlan"]) for flow in report["flows"]["top"] if flow["point"] == "A/ens33.10"} == {()}


def test_vlan_of_golden_is_on_hops_that_are_tagged() -> None:
    tags = {(hop["point"], *hop["vlan"]) for path in document(TAGGED)["paths"] for hop in path["hops"]}
    assert {tag for tag in tags if len(tag) > 1} == {("A/ens33", 10), ("B/ens33", 10)}


def test_stations_without_tags_have_no_vlan() -> None:
    assert all(not station["vlan"] for station in document(PROJECT / "pcaps" / "bridge.pcapng")["stations"])


@pytest.mark.parametrize(("number", "tags"), [(1, [10]), (4, [200, 10]), (5, [300, 11]), (9, [])])
def test_stack_of_tags_has_the_outermost_first(tmp_path: Path, number: int, tags: list[int]) -> None:
    """Frame `number` of the capture alone; tshark shows these values of vlan.id."""
    with open_capture(STACKED, compiled=False) as capture:
        frame = next(islice(capture.records(), number - 1, None))
    data = STACKED.read_bytes()[:24] + struct.pack("<IIII", 1, 0, len(frame.data), frame.wirelen) + bytes(frame.data)
    (tmp_path / "one.pcap").write_bytes(data)
    report = analyze(tmp_path / "one.pcap").to_dict()
    assert [flow["vlan"] for flow in report["flows"]["top"]] == [tags]
    assert {tuple(station["vlan"]) for station in report["stations"]} == {tuple(tags)}
    assert [point["vlans"] for point in report["points"]] == [tags[:1]]
