"""address-moved: a container that was made anew with its address."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import of_story
from tests.stories import Network, arp
from tests.story_reports import B, read

NAME = "address-moved"
ADDRESS, OLD, NEW = "192.168.111.10", "02:42:c0:a8:6f:0a", "06:11:00:00:00:4a"


def made_anew(*, apart: float, is_announced: bool = False) -> Network:
    """Two MACs answer for one address, `apart` µs after each other."""
    net = Network(["A/ens33"])
    for number, mac in enumerate((OLD, NEW)):
        target = ADDRESS if number and is_announced else B
        net.at(number * apart, "A/ens33", arp(2, mac, ADDRESS, target))
    return net


def test_address_with_a_new_mac_is_told(tmp_path: Path) -> None:
    (finding,) = of_story(made_anew(apart=0.6e6), tmp_path, NAME)
    assert finding["level"] == "info"
    assert finding["says"] == f"{ADDRESS} is claimed by {OLD} and {NEW}, one after the other"
    assert finding["facts"]["macs"] == [OLD, NEW]


def test_answers_to_one_question_is_silent(tmp_path: Path) -> None:
    """Both have the address: duplicate-ip."""
    report = read(made_anew(apart=0.05e6), tmp_path)
    assert [finding["name"] for finding in report["findings"]] == ["duplicate-ip"]


def test_announced_takeover_is_silent(tmp_path: Path) -> None:
    assert of_story(made_anew(apart=5e6, is_announced=True), tmp_path, NAME) == []
