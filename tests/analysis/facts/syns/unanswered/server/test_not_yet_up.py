"""A clue to SYNs without an answer: the server sends nothing until after them."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.facts.syns.callers import called_back
from tests.analysis.findings.reported import of_story

NAME = "connection-unanswered"


def test_server_that_connects_later_is_told(tmp_path: Path) -> None:
    """A router of BGP that starts: its neighbour asks too early."""
    (finding,) = of_story(called_back("after"), tmp_path, NAME)
    assert finding["facts"]["answers"] == "later" and "sent nothing until then" in finding["says"]
    assert "likely not up yet" in finding["fix"]


def test_server_that_was_up_before_is_silent(tmp_path: Path) -> None:
    (finding,) = of_story(called_back("before"), tmp_path, NAME)
    assert finding["facts"]["answers"] == "connects" and "not up yet" not in finding["fix"]
