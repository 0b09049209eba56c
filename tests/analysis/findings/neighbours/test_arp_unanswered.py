"""arp-unanswered: requests that get no reply at any point."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, of_capture, of_story
from tests.stories import Network, arp, ping
from tests.story_reports import A, B

SILENT, OTHER = "192.168.111.77", "02:00:c0:a8:6f:09"


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
    assert finding["says"] == f"{A} asked for {SILENT} by ARP 3 times, no answer"
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


def test_scan_of_addresses_is_silent(tmp_path: Path) -> None:
    """It is `address-scan` instead; a host that looks for a few machines that are down is a warning."""
    net = Network(["A/ens33"])
    for number in range(1, 31):
        ask(net, f"192.168.111.{number}", times=2)
    assert of_story(net, tmp_path, "arp-unanswered") == []


def test_several_addresses_without_reply_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for number in range(1, 6):
        ask(net, f"192.168.111.{number}", times=3)
    (finding,) = of_story(net, tmp_path, "arp-unanswered")
    assert finding["level"] == "warning"
    assert finding["says"] == (
        f"{A} asked for 192.168.111.1 and 192.168.111.2 and 192.168.111.3 and 2 more by ARP 15 times, no answer"
    )


def test_own_interface_that_gets_the_requests_is_told(tmp_path: Path) -> None:
    """B talks to two other hosts, and does not reply to A."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(3):
        net.pass_by(("B/ens33", ping(f"{B} > 192.168.111.9", 5, number, smac=CARD_B, dmac=OTHER)))
        net.pass_by(("B/ens33", ping(f"{B} > 192.168.111.8", 5, number, smac=CARD_B, dmac="02:00:c0:a8:6f:08")))
        net.pass_by(*((point, arp(1, CARD_A, A, B)) for point in net.points), delay=60)
        net.now += 1e6
    (finding,) = of_story(net, tmp_path, "arp-unanswered")
    assert finding["level"] == "error"
    assert finding["says"].endswith("no answer, though its own interface B/ens33 gets the requests")


def test_child_that_asks_for_its_own_host_is_told(tmp_path: Path) -> None:
    """The host's interface shows the requests of its macvlan child as they leave: no filter drops them."""
    net = Network(["B/m1/eth0", "B/ens33"])
    for number in range(3):
        net.pass_by(("B/ens33", ping(f"{B} > 192.168.111.9", 5, number, smac=CARD_B, dmac=OTHER)))
        net.pass_by(("B/ens33", ping(f"{B} > 192.168.111.8", 5, number, smac=CARD_B, dmac="02:00:c0:a8:6f:08")))
        net.pass_by(*((point, arp(1, "02:42:c0:a8:6f:0a", "192.168.111.10", B)) for point in net.points))
        net.now += 1e6
    (finding,) = of_story(net, tmp_path, "arp-unanswered")
    assert finding["level"] == "warning" and finding["says"].endswith("no answer")


def test_bystander_of_the_requests_is_silent(tmp_path: Path) -> None:
    """B talks with A only; it gets what A broadcasts, and would not get a reply to A. A bond asks every second."""
    net = Network(["B/ens33"])
    for number in range(9):
        net.pass_by(("B/ens33", ping(f"{B} > {A}", 5, number, smac=CARD_B, dmac=CARD_A)))
        net.pass_by(("B/ens33", ping(f"{A} > {B}", 5, number, icmp=(0, 0), smac=CARD_A, dmac=CARD_B)))
        net.pass_by(("B/ens33", ping(f"{B} > 192.168.111.9", 5, number, smac=CARD_B, dmac=OTHER)))
        net.at(net.now, "B/ens33", arp(1, CARD_A, A, SILENT))
        net.now += 1e6
    assert of_story(net, tmp_path, "arp-unanswered") == []
