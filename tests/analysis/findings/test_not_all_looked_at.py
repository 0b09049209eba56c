"""not-all-looked-at: more addresses than are examined. `aggregate/test_limits.py` has floods of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.aggregate import limits
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, udp
from tests.story_reports import B


def clients(folder: Path, count: int) -> Findings:
    """The findings about so many clients of one server, each with a MAC of its own."""
    net = Network(["B/ens33"])
    for number in range(count):
        packet = udp(f"10.1.{number}.9:5000 > {B}:7000", b"x", ident=number + 1, smac=f"02:00:00:00:01:{number:02x}")
        net.pass_by(("B/ens33", packet))
    return of_story(net, folder, "not-all-looked-at")


def test_more_addresses_than_the_limit_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STATIONS", 16)
    (finding,) = clients(tmp_path, 40)
    assert finding["level"] == "info"
    assert finding["facts"]["addresses"] == 41  # the clients and the server
    assert 0 < finding["facts"]["addresses_looked_at"] <= 16


def test_fewer_addresses_than_the_limit_is_silent(tmp_path: Path) -> None:
    assert clients(tmp_path, 40) == []
