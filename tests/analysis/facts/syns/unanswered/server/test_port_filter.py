"""A clue to SYNs without an answer: the server is up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.callers import V6_A, V6_B, Client, called_back
from tests.analysis.findings.reported import of_story
from tests.stories import ACK, RST, SYN
from tests.story_reports import A, B

NAME = "connection-unanswered"


@pytest.mark.parametrize("ends", [(A, B), (V6_A, V6_B)], ids=["IPv4", "IPv6"])
def test_silent_port_of_a_server_that_lives_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    played = Client(ends=ends)
    played.call(22, tries=1, answer=SYN | ACK)
    played.call(8080)
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["answers"], facts["attempts"]) == ("warning", "port", 4)
    assert "accepts connections to port 22" in finding["says"] and "would be refused" in finding["fix"]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_server_that_connects_itself_is_told(tmp_path: Path, when: str) -> None:
    """A controller and a PC whose firewall lets nothing in: the PC is up, and the ways are there."""
    (finding,) = of_story(called_back(when), tmp_path, NAME)
    assert (finding["level"], finding["facts"]["answers"]) == ("warning", "connects")
    assert f"connects to {A} itself" in finding["says"] and "is up" in finding["says"]
    assert finding["fix"].startswith("look for a filter")


@pytest.mark.parametrize("case", ["refused", "no ACK came", "another host"])
def test_call_that_does_not_work_is_silent(tmp_path: Path, case: str) -> None:
    """What the client sends does not reach the server, or is no connection of the server."""
    net = called_back(
        "meanwhile",
        answer=RST | ACK if case == "refused" else SYN | ACK,
        is_completed=case == "another host",
        caller="192.168.111.77" if case == "another host" else B,
    )
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["answers"] == "nothing" and "itself" not in finding["says"]
