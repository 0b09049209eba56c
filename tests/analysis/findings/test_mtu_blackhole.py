"""mtu-blackhole: large packets that vanish where small ones pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, about, ping
from tests.story_reports import A, B


def pings(folder: Path, sizes: dict[int, bool], refused: bool = False) -> Findings:
    """The findings about two pings of each of these IP lengths, and whether they arrive; `refused`: by ICMP."""
    net = Network(["A/ens33", "B/ens33"])
    number = 0
    for size, arrives in [*sizes.items(), (84, True)]:
        for _ in range(2):
            number += 1
            packet = ping(f"{A} > {B}", 5, number, bytes(size - 28), ident=number)
            net.pass_by(*((point, packet) for point in net.points[: 1 + arrives]))
    if refused:
        net.pass_by(("A/ens33", about(ping(f"192.168.111.1 > {A}", 0, 0, icmp=(3, 4)), packet)))
    return of_story(net, folder, "mtu-blackhole")


@pytest.mark.parametrize("refused", [False, True])
def test_large_packets_lost_where_small_pass_is_told(tmp_path: Path, refused: bool) -> None:
    (finding,) = pings(tmp_path, {100: True, 1400: True, 1450: False, 1500: False}, refused)
    facts = finding["facts"]
    assert (finding["level"], facts["passes"], facts["fails"], facts["packets"]) == ("error", 1400, 1450, 4)
    assert (facts["from"], facts["to"]) == ("A/ens33", "B/ens33")
    assert facts["told_by"] == (["192.168.111.1"] if refused else [])
    assert [frame["frame"] for frame in finding["evidence"]] == [9, 10, 11]


@pytest.mark.parametrize(
    "sizes",
    [{100: True, 1400: True, 1500: True}, {100: True, 1400: False, 1500: True}],
    ids=["all arrive", "loss by chance"],
)
def test_other_losses_is_silent(tmp_path: Path, sizes: dict[int, bool]) -> None:
    assert pings(tmp_path, sizes) == []


def test_path_that_carries_nothing_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    for number in range(4):
        net.pass_by(("A/ens33", ping(f"{A} > {B}", 5, number, bytes(1400 * (number % 2)), ident=number + 1)))
    assert of_story(net, tmp_path, "mtu-blackhole") == []
