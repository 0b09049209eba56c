"""SYNs without an answer, and no clue to it: the server sends nothing at all."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.facts.syns.callers import Client
from tests.stories import ACK, SYN


def test_server_that_says_nothing_at_all_is_told(tmp_path: Path) -> None:
    """Two ports and two servers of one client: one cause, one finding."""
    played = Client(("A/ens33",))
    played.call(80)
    played.call(443)
    played.server = "192.168.111.131"
    played.call(80)
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["answers"], finding["facts"]["connections"]) == ("warning", "nothing", 3)
    assert finding["fix"].startswith("check that 192.168.111.129 is up, and the routes both ways")


def test_server_of_which_more_is_seen_is_silent(tmp_path: Path) -> None:
    """It accepts another port: it need not be asked whether it is up."""
    played = Client()
    played.call(22, tries=1, answer=SYN | ACK)
    played.call(8080)
    (finding,) = played.findings(tmp_path)
    assert "is up" not in finding["fix"]
