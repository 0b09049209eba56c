"""A clue to SYNs without an answer: several silent servers share the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.callers import Client
from tests.analysis.findings.reported import Findings


def silent(folder: Path, *servers: str) -> Findings:
    played = Client(points=("A/ens33",))
    for server in servers:
        played.server = server
        played.call(443)
    return played.findings(folder)


def test_silent_servers_elsewhere_share_the_way_out_is_told(tmp_path: Path) -> None:
    (finding,) = silent(tmp_path, "203.0.113.5", "198.51.100.9")
    assert "the way out of 192.168.111.128, which all 2 share" in finding["fix"]
    assert "none of these servers answered anything else" in finding["says"]


@pytest.mark.parametrize(
    "servers", [("192.168.111.7", "192.168.111.9"), ("203.0.113.5",)], ids=["on its own network", "one"]
)
def test_servers_that_share_no_way_out_is_silent(tmp_path: Path, servers: tuple[str, ...]) -> None:
    (finding,) = silent(tmp_path, *servers)
    assert "way out" not in finding["fix"] and "none of these servers" not in finding["says"]
