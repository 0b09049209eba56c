"""arp-unanswered: requests that get no reply at any point."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, of_capture, of_story
from tests.stories import Network, arp
from tests.story_reports import A, B

SILENT = "192.168.111.77"


def ask(net: Network, target: str, times: int, sender: str = A) -> None:
    for _ in range(times):
        net.at(net.now, "A/ens33", arp(1, CARD_A, sender, target))
        net.now += 1e6


def test_arp_request_repeated_without_reply_is_told(tmp_path: Path) -> None:
    """A second address is asked for once: a host without a reply asks again, so that proves nothing."""
    net = Network(["A/ens33"])
    ask(net, SILENT, times=3)
    ask(net, "192.168.111.78", times=1)
    (finding,) = of_story(net, tmp_path, "arp-unanswered")
    assert finding["says"] == f"{A} asked for {SILENT} 3 times, nobody answered"
    assert finding["facts"] == {"asks": A, "for": SILENT, "requests": 3}
    assert [frame["frame"] for frame in finding["evidence"]] == [1]


@pytest.mark.parametrize("point", ["A/ens33", "B/ens33"])
def test_arp_request_answered_at_a_point_is_silent(tmp_path: Path, point: str) -> None:
    net = Network(["A/ens33", "B/ens33"])
    ask(net, B, times=3)
    net.at(net.now, point, arp(2, CARD_B, B, A, to=CARD_A))
    assert of_story(net, tmp_path, "arp-unanswered") == []


@pytest.mark.parametrize("sender", ["0.0.0.0", SILENT], ids=["probe", "announcement"])
def test_arp_probe_or_announcement_is_silent(tmp_path: Path, sender: str) -> None:
    net = Network(["A/ens33"])
    ask(net, SILENT, times=3, sender=sender)
    assert of_story(net, tmp_path, "arp-unanswered") == []


def test_arp_request_for_own_macvlan_child_is_silent() -> None:
    """It is `macvlan-host-isolation` instead."""
    assert of_capture("pcaps/macvlan.pcapng", "arp-unanswered") == []
    assert of_capture("pcaps/macvlan.pcapng", "macvlan-host-isolation") != []
