"""address-scan: a host that asks for many addresses, and hosts that look for a few."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, of_capture, of_story
from tests.stories import Network, arp
from tests.story_reports import A


def asking_for(addresses: int) -> Network:
    net = Network(["A/ens33"])
    for number in range(addresses):
        for _ in range(2):
            net.at(net.now, "A/ens33", arp(1, CARD_A, A, f"192.168.111.{number + 1}"))
            net.now += 1e6
    return net


def test_scan_of_addresses_is_told(tmp_path: Path) -> None:
    """Once, with the count."""
    (finding,) = of_story(asking_for(30), tmp_path, "address-scan")
    assert (finding["level"], finding["facts"]["addresses"], finding["facts"]["requests"]) == ("info", 30, 60)
    assert finding["says"] == f"{A} asked for 30 addresses 60 times, no answer"


@pytest.mark.parametrize("addresses", [1, 5, 19])
def test_few_machines_that_are_down_are_silent(tmp_path: Path, addresses: int) -> None:
    assert of_story(asking_for(addresses), tmp_path, "address-scan") == []


def test_host_that_asks_for_its_child_is_silent() -> None:
    assert of_capture("pcaps/macvlan.pcapng", "address-scan") == []
