"""snat-ports-exhausted: a host has no free source port left for new connections to one server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.bridges import APP, APP_MAC, BRIDGE, BRIDGE_MAC, CARD, host
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story
from tests.stories import ACK, SYN, Network, tcp
from tests.story_reports import A, B


def connect(net: Network, number: int, outside_port: int, port: int = 80) -> None:
    """A connection of app to B, translated to a port of A and answered."""
    for seq, flags in ((100, SYN), (101, ACK)):
        ident = 10 * number + seq + port
        inside = tcp(f"{APP}:{50000 + number} > {B}:{port}", flags=flags, seq=seq, ident=ident, smac=APP_MAC,
                     dmac=BRIDGE_MAC)  # fmt: skip
        net.pass_by(
            (BRIDGE, inside), (CARD, inside.routed(src=A, sport=outside_port, smac=CARD_A, dmac=CARD_B)), gap=1e4
        )
        answer = tcp(f"{B}:{port} > {A}:{outside_port}", flags=flags | ACK, seq=900 + seq, ack=seq + 1,
                     ident=5000 + ident, smac=CARD_B, dmac=CARD_A)  # fmt: skip
        back = answer.routed(dst=APP, dport=50000 + number, smac=BRIDGE_MAC, dmac=APP_MAC)
        net.pass_by((CARD, answer), (BRIDGE, back), gap=1e4)


def knock(net: Network, number: int) -> None:
    """A connection of app to B:80 that does not leave the host."""
    for again in range(3):
        syn = tcp(f"{APP}:{50000 + number} > {B}:80", flags=SYN, seq=7000 + number, ident=8000 + 10 * number + again,
                  smac=APP_MAC, dmac=BRIDGE_MAC)  # fmt: skip
        net.pass_by((BRIDGE, syn), gap=1e6)


def exhausted(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "snat-ports-exhausted")


def test_range_that_is_full_is_told(tmp_path: Path) -> None:
    net = host()
    for number in range(8):
        connect(net, number, 40000 + number)
    knock(net, 100)
    knock(net, 101)
    connect(net, 200, 40000, port=81)
    (finding,) = exhausted(net, tmp_path)
    assert finding["level"] == "error" and finding["facts"]["flows"] == 2
    assert (finding["facts"]["lowest"], finding["facts"]["highest"]) == (40000, 40007)
    assert finding["facts"]["server"] == f"{B}:80" and finding["facts"]["address"] == A
    assert of_story(net, tmp_path, "stops-between") == []


@pytest.mark.parametrize("gap", [1, 2], ids=["full", "with gaps"])
def test_small_range_is_told_if_full(tmp_path: Path, gap: int) -> None:
    net = host()
    for number in range(4):
        connect(net, number, 40000 + gap * number)
    knock(net, 100)
    connect(net, 200, 40000, port=81)
    assert len(exhausted(net, tmp_path)) == (gap == 1)


def test_ports_with_gaps_is_silent(tmp_path: Path) -> None:
    """There are free ports: a rule drops what stops."""
    net = host()
    for number in range(8):
        connect(net, number, 40000 + 7 * number)
    knock(net, 100)
    connect(net, 200, 40000, port=81)
    assert exhausted(net, tmp_path) == []


def test_no_flow_to_another_server_is_silent(tmp_path: Path) -> None:
    """Nothing shows that the host still translates."""
    net = host()
    for number in range(8):
        connect(net, number, 40000 + number)
    knock(net, 100)
    assert exhausted(net, tmp_path) == []


def test_new_flow_to_the_same_server_is_silent(tmp_path: Path) -> None:
    net = host()
    for number in range(8):
        connect(net, number, 40000 + number)
    knock(net, 100)
    connect(net, 200, 40000, port=81)
    connect(net, 201, 40009)
    assert exhausted(net, tmp_path) == []


def test_ports_that_the_clients_chose_is_silent(tmp_path: Path) -> None:
    """The translation keeps their ports, which are in a row."""
    net = host()
    for number in range(8):
        connect(net, number, 50000 + number)
    knock(net, 100)
    connect(net, 200, 50200, port=81)
    assert exhausted(net, tmp_path) == []
