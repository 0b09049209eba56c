"""A clue to SYNs without an answer: the backend that DNAT sends them to."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.facts.syns.callers import Client, behind_dnat
from tests.analysis.findings.reported import of_story
from tests.story_reports import A

NAME = "connection-unanswered"


def test_backend_behind_dnat_that_is_silent_is_told(tmp_path: Path) -> None:
    """Host A answers on another port itself: that says nothing of the container behind the published port."""
    (finding,) = of_story(behind_dnat("172.17.0.2", answers=True), tmp_path, NAME)
    facts = finding["facts"]
    assert (facts["server"], facts["backends"], facts["point"]) == (A, ["172.17.0.2:80"], "A/docker0")
    assert facts["answers"] == "nothing"
    assert f"{A}:8080, which DNAT sends to 172.17.0.2:80, got no answer" in finding["says"]
    assert finding["fix"].startswith("look at 172.17.0.2 itself, behind A/docker0")


def test_backends_of_one_service_are_all_named(tmp_path: Path) -> None:
    """A service with two servers, and both are silent."""
    (finding,) = of_story(behind_dnat("172.17.0.2", "172.17.0.3"), tmp_path, NAME)
    assert finding["facts"]["backends"] == ["172.17.0.2:80", "172.17.0.3:80"]
    assert finding["facts"]["attempts"] == 8


def test_server_without_dnat_is_silent(tmp_path: Path) -> None:
    played = Client()
    played.call(8080)
    (finding,) = played.findings(tmp_path)
    assert "backends" not in finding["facts"] and "DNAT" not in finding["says"]
