"""loopback-not-masqueraded: a published port that is asked at 127.0.0.1, without docker-proxy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import of_story
from tests.stories import ACK, SYN, Network, arp, tcp
from tests.story_reports import read

NAME = "loopback-not-masqueraded"
BRIDGE, LO = "A/docker0", "A/lo"
BRIDGE_MAC, WEB_MAC, WEB = "02:42:9c:1d:00:80", "02:42:ac:11:00:02", "172.17.0.2"


def test_lookup_by_a_loopback_address_is_told(tmp_path: Path) -> None:
    """The host asks for the container's MAC, which drops the question: its source is a martian."""
    net = Network([BRIDGE])
    for number in range(4):
        net.at(number * 1e6, BRIDGE, arp(1, BRIDGE_MAC, "127.0.0.1", WEB))
    (finding,) = [of for of in read(net, tmp_path)["findings"] if of["level"] != "info"]
    assert (finding["name"], finding["level"]) == (NAME, "error")
    assert finding["says"].startswith(f"127.0.0.1 asks for {WEB} by ARP at {BRIDGE}, 4 times, and gets no answer")
    assert "POSTROUTING -s 127.0.0.0/8" in finding["fix"]


def test_packets_from_the_loopback_on_a_bridge_is_told(tmp_path: Path) -> None:
    """The MAC is known already."""
    net = Network([BRIDGE])
    for number in range(3):
        syn = tcp(f"127.0.0.1:40000 > {WEB}:80", flags=SYN, seq=7, ident=number, smac=BRIDGE_MAC, dmac=WEB_MAC)
        net.pass_by((BRIDGE, syn), gap=1e6)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["attempts"] == 3


@pytest.mark.parametrize("story", ["masqueraded", "loopback"])
def test_connections_to_the_loopback_is_silent(tmp_path: Path, story: str) -> None:
    """They stay on the loopback, or leave with the bridge's address."""
    net = Network([LO, BRIDGE])
    for number in range(3):
        syn = tcp(f"127.0.0.1:{40000 + number} > 127.0.0.1:8080", flags=SYN, seq=7, smac="00:00:00:00:00:00",
                  dmac="00:00:00:00:00:00")  # fmt: skip
        net.pass_by((LO, syn))
        if story == "masqueraded":
            inside = syn.but(ends=f"172.17.0.1:{40000 + number} > {WEB}:80", smac=BRIDGE_MAC, dmac=WEB_MAC)
            back = inside.but(ends=f"{WEB}:80 > 172.17.0.1:{40000 + number}", flags=SYN | ACK, ack=8, smac=WEB_MAC)
            net.pass_by((BRIDGE, inside)), net.pass_by((BRIDGE, back.but(dmac=BRIDGE_MAC)))
    assert of_story(net, tmp_path, NAME) == []


@pytest.mark.parametrize("point", ["A/ens33", "eth0"])
def test_forged_source_outside_of_a_bridge_is_silent(tmp_path: Path, point: str) -> None:
    """Who sends such packets on a network is no host that forwards its own loopback."""
    net = Network([point])
    for number in range(3):
        net.pass_by((point, tcp(f"127.0.0.1:40000 > {WEB}:80", flags=SYN, seq=7, ident=number)), gap=1e6)
    assert of_story(net, tmp_path, NAME) == []
