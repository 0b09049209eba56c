"""vip-answered-by-many: nodes that all answer by ARP for the address of a service."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import CARD_A, CARD_B, of_story
from tests.stories import Network, arp
from tests.story_reports import A, B, read

NAME = "vip-answered-by-many"
CLIENT, CLIENT_MAC, VIP = "192.168.111.5", "02:00:c0:a8:6f:05", "192.168.111.200"


def ask(net: Network, answers: dict[str, str], target: str = VIP) -> None:
    """The client asks for an address; `answers`: MAC → address of the nodes that answer, which it asks for too."""
    net.at(net.now, "C/ens33", arp(1, CLIENT_MAC, CLIENT, target))
    for number, mac in enumerate(answers):
        net.at(net.now + 100 + 20 * number, "C/ens33", arp(2, mac, target, CLIENT, to=CLIENT_MAC))
    for number, (mac, address) in enumerate(answers.items()):
        net.at(net.now + 1e5 * (number + 1), "C/ens33", arp(2, mac, address, CLIENT, to=CLIENT_MAC))
    net.now += 30e6


def test_nodes_that_answer_for_a_service_address_is_told(tmp_path: Path) -> None:
    """IPVS: each node has the address; the cause alone is told."""
    net = Network(["C/ens33"])
    for _ in range(2):
        ask(net, {CARD_A: A, CARD_B: B})
    findings = read(net, tmp_path)["findings"]
    assert [finding["name"] for finding in findings] == [NAME]
    assert findings[0]["says"] == (
        f"2 hosts answer each request for {VIP}: {A} ({CARD_A}) and {B} ({CARD_B}); clients reach any of them"
    )
    assert findings[0]["facts"] == {"address": VIP, "hosts": [A, B], "macs": [CARD_A, CARD_B]}


def test_routers_that_take_turns_is_silent(tmp_path: Path) -> None:
    """keepalived: the second one announces the address when the first one is gone."""
    net = Network(["C/ens33"])
    ask(net, {CARD_A: A})
    net.at(net.now, "C/ens33", arp(1, CARD_B, VIP, VIP))
    ask(net, {CARD_B: B})
    assert of_story(net, tmp_path, NAME) == []


def test_stations_without_another_address_is_silent(tmp_path: Path) -> None:
    """It is duplicate-ip: nothing says that they serve it together."""
    net = Network(["C/ens33"])
    ask(net, {CARD_A: VIP, CARD_B: VIP})
    assert of_story(net, tmp_path, NAME) == []
    assert len(of_story(net, tmp_path, "duplicate-ip")) == 1
