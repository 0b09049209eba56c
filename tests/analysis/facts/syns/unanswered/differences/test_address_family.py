"""A clue to SYNs without an answer: their client connects by IPv4 each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.callers import V6_A, V6_B, Client
from tests.stories import ACK, SYN
from tests.story_reports import A, B


def test_ipv6_before_ipv4_that_works_is_told(tmp_path: Path) -> None:
    """A client prefers IPv6, waits, and connects by IPv4."""
    played = Client()
    for _ in range(2):
        played.client, played.server = V6_A, V6_B
        played.call(443, tries=2)
        played.client, played.server = A, B
        played.call(443, tries=1, answer=SYN | ACK)
    (finding,) = played.findings(tmp_path)
    assert f"connected to {B} by IPv4" in finding["says"] and "AAAA" in finding["fix"]


@pytest.mark.parametrize("case", ["no IPv4", "not each time", "another port"])
def test_ipv6_without_ipv4_behind_it_is_silent(tmp_path: Path, case: str) -> None:
    """The client does not fall back: what it does by IPv4 is something else."""
    played = Client()
    for number in range(2):
        played.client, played.server = V6_A, V6_B
        played.call(443, tries=2)
        played.client, played.server = A, B
        if case == "another port" or (case == "not each time" and number == 0):
            played.call(80 if case == "another port" else 443, tries=1, answer=SYN | ACK)
    (finding,) = played.findings(tmp_path)
    assert "IPv4" not in finding["says"] and "AAAA" not in finding["fix"]
