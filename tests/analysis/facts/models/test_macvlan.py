"""macvlan: what tells a parent interface from a bridge with the same stations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.analysis.facts.models.stations import (
    B_MAC,
    CHILD_1,
    CHILD_2,
    HOST,
    HOST_MAC,
    MAC_1,
    MAC_2,
    B,
    Socket,
    arp_everywhere,
    docker_mac,
    exchange,
    likely,
    verdicts,
    weights,
)
from tests.stories import Network, arp
from tests.story_reports import read

HOST_IS_ISOLATED = {"host-unheard", "host-unanswered"}
DOCKER_1, DOCKER_2 = docker_mac(CHILD_1), docker_mac(CHILD_2)


def lan(
    folder: Path, *, reaches_children: bool, has_veths: bool = False, macs: tuple[str, str] = (DOCKER_1, DOCKER_2)
) -> dict[str, Any]:
    """The report of two children (if0, if1) and host B (if3) on one network, the host's interface (if2) between.

    The host asks for a child. With veths, each child has one (if4, if5) before the interface.
    """
    points = ["if0", "if1", "if2", "if3"]
    mac_1, mac_2 = macs
    net = Network(points + ["if4", "if5"] * has_veths)
    from_1 = ["if0", "if4", "if2"] if has_veths else ["if0", "if2"]
    to_2 = ["if5", "if1"] if has_veths else ["if1"]
    for mac, ip in ((mac_1, CHILD_1), (mac_2, CHILD_2), (B_MAC, B)):
        arp_everywhere(net, points, mac, ip, "192.168.111.200")
    exchange(net, Socket(mac_1, CHILD_1, 40000), Socket(mac_2, CHILD_2, 80), *from_1, *to_2)
    exchange(net, Socket(mac_1, CHILD_1, 40001), Socket(B_MAC, B, 80), *from_1, "if3")
    exchange(net, Socket(mac_2, CHILD_2, 40001), Socket(B_MAC, B, 80), *reversed(to_2), "if2", "if3")
    arp_everywhere(net, points if reaches_children else points[2:], HOST_MAC, HOST, CHILD_1, times=3)
    if reaches_children:
        for point in ("if0", "if2"):
            net.at(net.now, point, arp(2, mac_1, CHILD_1, HOST, to=HOST_MAC))
    exchange(net, Socket(mac_1, CHILD_1, 40002), Socket(B_MAC, B, 80), *from_1, "if3")
    return read(net, folder)


def test_macvlan_parent_is_known_by_its_isolated_host(tmp_path: Path) -> None:
    report = lan(tmp_path, reaches_children=False)
    assert likely(report) == ["macvlan"]
    assert report["models"][0]["confidence"] > 0.9
    assert weights(report) >= HOST_IS_ISOLATED
    (verdict,) = [verdict for verdict in report["macs"] if verdict["verdict"] == "distinct"]
    assert (verdict["point"], verdict["macs"], verdict["ips"]) == ("if2", [DOCKER_1, DOCKER_2], [CHILD_1, CHILD_2])
    assert verdict["evidence"]


def test_distinct_macs_and_addresses_are_parallel(tmp_path: Path) -> None:
    """Docker 28 draws MACs at random: their order is not that of the addresses."""
    report = lan(tmp_path, reaches_children=False, macs=(DOCKER_2, DOCKER_1))
    (verdict,) = [verdict for verdict in report["macs"] if verdict["verdict"] == "distinct"]
    assert dict(zip(verdict["macs"], verdict["ips"], strict=True)) == {DOCKER_2: CHILD_1, DOCKER_1: CHILD_2}


def test_children_with_random_macs_are_no_likely_macvlan(tmp_path: Path) -> None:
    """Virtual machines behind a hypervisor's switch look the same."""
    report = lan(tmp_path, reaches_children=False, macs=(MAC_1, MAC_2))
    assert [(model["model"], model["confidence"]) for model in report["models"]] == [("macvlan", 0.45)]


def test_bridge_that_repeats_broadcasts_is_no_parent(tmp_path: Path) -> None:
    report = lan(tmp_path, reaches_children=True, macs=(MAC_1, MAC_2))
    assert not likely(report)
    assert not HOST_IS_ISOLATED & weights(report)
    assert "distinct" not in verdicts(report)


def test_stations_behind_veths_are_no_children(tmp_path: Path) -> None:
    report = lan(tmp_path, reaches_children=True, has_veths=True, macs=(MAC_1, MAC_2))
    assert not likely(report)
    assert not HOST_IS_ISOLATED & weights(report)


@pytest.mark.parametrize(("gap", "is_macvlan"), [(1e6, True), (60e6, False)], ids=["1 s", "60 s"])
def test_parent_alone_needs_repeated_requests(tmp_path: Path, gap: float, is_macvlan: bool) -> None:
    """An ARP request a minute refreshes a cache on a switch; three in three seconds had no answer."""
    net = Network(["if0"])
    arp_everywhere(net, ["if0"], DOCKER_1, CHILD_1, B)
    exchange(net, Socket(DOCKER_1, CHILD_1, 40001), Socket(B_MAC, B, 80), "if0")
    for number in range(3):
        net.at(net.now + number * gap, "if0", arp(1, HOST_MAC, HOST, CHILD_1))
    report = read(net, tmp_path)
    assert report["models"][0]["model"] == "macvlan"
    assert any(weight["name"] == "host-unanswered" for weight in report["models"][0]["weights"]) is is_macvlan
    assert report["models"][0]["confidence"] == (0.87 if is_macvlan else 0.6)


@pytest.mark.parametrize(("passes", "is_macvlan"), [(1, True), (2, False)], ids=["once", "twice"])
def test_packets_that_pass_two_interfaces_of_a_host_are_bridged(passes: int, is_macvlan: bool, tmp_path: Path) -> None:
    """Recorded at all interfaces together: a child's packets pass its parent, a bridge's pass two of its ports."""
    net = Network(["any"], cooked={"any"})
    for number in range(3):
        exchange(net, Socket(DOCKER_1, CHILD_1, 40000 + number), Socket(B_MAC, B, 80), *["any"] * passes)
    assert [model["model"] for model in read(net, tmp_path)["models"]] == ["macvlan"] * is_macvlan
