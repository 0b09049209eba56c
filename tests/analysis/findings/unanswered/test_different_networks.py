"""different-networks: a container calls a container of another network on the same host."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.bridges import (
    APP,
    APP_MAC,
    BRIDGE,
    BRIDGE_MAC,
    BRIDGE_MAC_OF_DB,
    BRIDGE_OF_DB,
    DB,
    DB_MAC,
    WEB,
    WEB_MAC,
    host,
    knock,
    surf,
)
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, SYN, Network, tcp

CALL = tcp(f"{APP}:41000 > {DB}:5432", flags=SYN, seq=7000, smac=APP_MAC, dmac=BRIDGE_MAC)


def surf_all(net: Network, number: int) -> None:
    surf(net, APP, APP_MAC, BRIDGE, BRIDGE_MAC, number)
    surf(net, DB, DB_MAC, BRIDGE_OF_DB, BRIDGE_MAC_OF_DB, number + 10)


def isolated(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "different-networks")


def test_call_to_another_bridge_is_told(tmp_path: Path) -> None:
    net = host()
    surf_all(net, 1)
    knock(net, CALL, BRIDGE)
    surf_all(net, 2)
    (finding,) = isolated(net, tmp_path)
    assert finding["level"] == "error"
    assert (finding["facts"]["point"], finding["facts"]["home"]) == (BRIDGE, BRIDGE_OF_DB)
    assert finding["facts"]["sources"] == [APP] and finding["facts"]["packets"] == 4


def test_call_that_arrives_is_silent(tmp_path: Path) -> None:
    """The other bridge shows it: the database does not answer."""
    net = host()
    surf_all(net, 1)
    knock(net, CALL, BRIDGE, BRIDGE_OF_DB, behind=DB_MAC)
    surf_all(net, 2)
    assert isolated(net, tmp_path) == []


def test_other_container_that_gets_through_is_silent(tmp_path: Path) -> None:
    """What drops is a rule for one sender, not the isolation of networks."""
    net = host()
    surf_all(net, 1)
    other = tcp(f"{WEB}:41000 > {DB}:5432", flags=SYN, seq=9000, smac=WEB_MAC, dmac=BRIDGE_MAC)
    net.pass_by((BRIDGE, other), (BRIDGE_OF_DB, other.routed(smac=BRIDGE_MAC_OF_DB, dmac=DB_MAC)))
    knock(net, CALL, BRIDGE)
    surf_all(net, 2)
    assert isolated(net, tmp_path) == []


def test_call_within_a_network_is_silent(tmp_path: Path) -> None:
    net = host()
    surf_all(net, 1)
    knock(net, tcp(f"{APP}:41000 > {WEB}:80", flags=SYN, seq=7000, smac=APP_MAC, dmac=WEB_MAC), BRIDGE)
    surf_all(net, 2)
    assert isolated(net, tmp_path) == []


def test_call_to_the_other_gateway_is_silent(tmp_path: Path) -> None:
    """The host's own address on the other bridge: packets to it pass no bridge."""
    net = host()
    surf_all(net, 1)
    knock(net, CALL.but(dst="172.18.0.1"), BRIDGE)
    surf_all(net, 2)
    assert isolated(net, tmp_path) == []


def test_answer_to_another_bridge_is_silent(tmp_path: Path) -> None:
    """Who calls is on the other network; this one only answers."""
    net = host()
    surf_all(net, 1)
    knock(net, CALL.but(ends=f"{APP}:5432 > {DB}:41000", flags=SYN | ACK), BRIDGE)
    surf_all(net, 2)
    assert isolated(net, tmp_path) == []
