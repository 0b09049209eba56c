"""syn-flood: SYNs of addresses that their sender makes up. Truth: each story says who sends."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import CARD_B, Findings, of_story
from tests.stories import ACK, SYN, Network, tcp
from tests.story_reports import B

NAME = "syn-flood"
SENDER = "02:00:c0:a8:6f:82"
SECOND = 1e6  # µs
SOURCES = 250


def findings(folder: Path, name: str = NAME, *, networks: int = 220, tries: int = 2, accepted: int = 0) -> Findings:
    """The findings about SYNs of 250 clients in some networks to B; it accepts some of them, once."""
    net = Network(["B/ens33"])
    for again in range(tries):
        for number in range(SOURCES):
            client = f"{1 + number % networks}.44.{number}.21:{1024 + number}"
            asked = tcp(f"{client} > {B}:80", flags=SYN, seq=number, ident=len(net.recorded), smac=SENDER, dmac=CARD_B)
            net.pass_by(("B/ens33", asked), gap=100)
            if again == 0 and number < accepted:
                answer = tcp(f"{B}:80 > {client}", flags=SYN | ACK, ack=number + 1, smac=CARD_B, dmac=SENDER)
                net.pass_by(("B/ens33", answer), gap=100)
        net.now += 2 * SECOND * (again < tries - 1)
    return of_story(net, folder, name)


def test_flood_of_random_addresses_is_told(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path)
    assert (finding["level"], finding["facts"]["sources"], finding["facts"]["attempts"]) == ("warning", SOURCES, 500)
    assert "SYN flood" in finding["says"] and SENDER in finding["fix"]


def test_flood_is_no_unanswered_connection_is_silent(tmp_path: Path) -> None:
    assert findings(tmp_path, "connection-unanswered") == []


def test_clients_of_few_networks_is_silent(tmp_path: Path) -> None:
    assert findings(tmp_path, networks=20) == []
    (finding,) = findings(tmp_path, "connection-unanswered", networks=20)
    assert finding["facts"]["attempts"] == 500


def test_clients_that_try_many_times_is_silent(tmp_path: Path) -> None:
    assert findings(tmp_path, tries=5) == []


def test_few_forged_addresses_are_no_flood_is_silent(tmp_path: Path) -> None:
    """The server accepts all but 150 of them."""
    assert findings(tmp_path, accepted=100) == []
