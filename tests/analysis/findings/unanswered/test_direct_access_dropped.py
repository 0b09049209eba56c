"""direct-access-dropped: another host calls a container by its own address."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.bridges import BRIDGE, CARD, WEB, WEB_MAC, host, knock, publish
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story
from tests.stories import SYN, Network, tcp
from tests.story_reports import A, B

CALL = tcp(f"{B}:41000 > {WEB}:80", flags=SYN, seq=7000, smac=CARD_B, dmac=CARD_A)


def dropped(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "direct-access-dropped")


def test_call_to_the_containers_address_is_told(tmp_path: Path) -> None:
    net = host()
    publish(net, 1)
    knock(net, CALL, CARD)
    publish(net, 2)
    (finding,) = dropped(net, tmp_path)
    assert finding["level"] == "warning"
    assert finding["facts"]["container"] == WEB and finding["facts"]["published"] == f"{A}:8080"
    assert (finding["facts"]["point"], finding["facts"]["home"]) == (CARD, BRIDGE)
    assert of_story(net, tmp_path, "stops-between") == []


def test_call_that_reaches_the_container_is_silent(tmp_path: Path) -> None:
    """A routed network: the bridge shows the packets."""
    net = host()
    publish(net, 1)
    knock(net, CALL, CARD, BRIDGE, behind=WEB_MAC)
    publish(net, 2)
    assert dropped(net, tmp_path) == []


def test_container_without_a_published_port_is_silent(tmp_path: Path) -> None:
    """Nothing shows that the host lets anything in."""
    net = host()
    knock(net, CALL, CARD)
    assert dropped(net, tmp_path) == []


def test_single_packet_is_silent(tmp_path: Path) -> None:
    net = host()
    publish(net, 1)
    knock(net, CALL, CARD, count=1)
    publish(net, 2)
    assert dropped(net, tmp_path) == []
