"""A clue to SYNs without an answer: the server answered before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.callers import CARD_C, SECOND, Client
from tests.analysis.findings.reported import CARD_A
from tests.stories import ACK, RST, SYN, arp
from tests.story_reports import A, B


def test_server_that_accepted_until_then_is_told(tmp_path: Path) -> None:
    played = Client()
    played.call(answer=SYN | ACK, tries=1)
    played.call()
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["answers"] == "before" and "none since" in finding["says"]


@pytest.mark.parametrize("is_asked", [True, False], ids=["its MAC is asked for", "no question for its MAC"])
def test_server_that_goes_down_is_told(tmp_path: Path, is_asked: bool) -> None:
    """It refuses the port while it stops, then says nothing: neither is it up, nor does it refuse the same port."""
    played = Client()
    played.call(80, tries=1, answer=RST | ACK)
    played.call(443, tries=1, answer=SYN | ACK, client="192.168.111.130", mac=CARD_C)
    played.call(80)
    if is_asked:
        for _ in range(3):
            played.net.at(played.net.now, "B/ens33", arp(1, CARD_A, A, B))
            played.net.now += SECOND
    (finding,) = played.findings(tmp_path)
    assert (finding["facts"]["answers"] == "gone") is is_asked
    assert ("it is down" in finding["says"] and "own interface" not in finding["says"]) is is_asked
    assert finding["level"] == ("warning" if is_asked else "error") and "refuses" not in finding["says"]


def test_port_that_was_refused_before_is_told(tmp_path: Path) -> None:
    played = Client()
    played.call(80, tries=1, answer=RST | ACK)
    played.call(80)
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["answers"]) == ("warning", "refused")
    assert "refused connections to this port before" in finding["says"] and "is up" not in finding["says"]


def test_server_that_accepts_since_is_silent(tmp_path: Path) -> None:
    played = Client()
    played.call(answer=SYN | ACK, tries=1)
    played.call()
    played.call(answer=SYN | ACK, tries=1)
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["answers"] == "meanwhile" and "still runs" not in finding["fix"]
