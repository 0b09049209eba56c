"""A clue to SYNs without an answer: the service accepts other connections."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.facts.syns.callers import CARD_C, Client
from tests.stories import ACK, SYN


def test_other_client_that_is_accepted_is_told(tmp_path: Path) -> None:
    played = Client()
    played.call(answer=SYN | ACK, tries=1, client="192.168.111.130", mac=CARD_C)
    played.call()
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["answers"] == "others" and "of 192.168.111.130" in finding["says"]
    assert finding["fix"].startswith("look for what treats these packets unlike those that were accepted")


def test_service_that_accepts_nothing_is_silent(tmp_path: Path) -> None:
    """Another port of the server says nothing of who may use this one."""
    played = Client()
    played.call(22, tries=1, answer=SYN | ACK)
    played.call(8080)
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["answers"] == "port" and "unlike those" not in finding["fix"]
