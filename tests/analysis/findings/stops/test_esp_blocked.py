"""esp-blocked: encrypted packets of a tunnel leave one host and do not arrive at the other one."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import Findings, of_story
from tests.analysis.findings.wires import CARDS, Drops, ask, send, two_cards
from tests.stories import Network, Packet
from tests.story_reports import A, B


def is_esp(packet: Packet) -> bool:
    return packet.proto == "esp"


def encrypted(net: Network, drops: Drops, count: int = 4) -> None:
    """Packets of both directions, each with its own SPI."""
    for seq in range(1, count + 1):
        for src, dst, spi in ((A, B, 0x100), (B, A, 0x200)):
            send(net, Packet("esp", src, dst, echo=spi, seq=seq, payload=bytes([seq]) * 40, ident=spi + seq), drops)


def blocked(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "esp-blocked")


def test_esp_that_the_wire_drops_is_told(tmp_path: Path) -> None:
    net = two_cards()
    for number in range(4):
        ask(net, number)
    encrypted(net, is_esp)
    ask(net, 5)
    found = blocked(net, tmp_path)
    assert {finding["facts"]["point"] for finding in found} == set(CARDS)
    assert {finding["level"] for finding in found} == {"error"}
    assert of_story(net, tmp_path, "lost-on-the-wire") == []


def test_esp_that_is_dropped_one_way_is_told(tmp_path: Path) -> None:
    net = two_cards()
    for number in range(4):
        ask(net, number)
    encrypted(net, lambda packet: is_esp(packet) and packet.src == A)
    ask(net, 5)
    (finding,) = blocked(net, tmp_path)
    assert finding["facts"]["destination"] == B and finding["facts"]["packets"] == 4


def test_esp_that_arrives_is_silent(tmp_path: Path) -> None:
    net = two_cards()
    ask(net, 1)
    encrypted(net, lambda packet: False)
    ask(net, 2)
    assert blocked(net, tmp_path) == []


def test_hosts_without_other_packets_is_silent(tmp_path: Path) -> None:
    """Nothing shows that the hosts reach each other at all."""
    net = two_cards()
    encrypted(net, is_esp)
    assert blocked(net, tmp_path) == []
