"""A clue to a port that refuses: the requests do not get where others of the address went on.

Truth: `recorded.record_hosts` for the rule of a real firewall; here each story.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.analysis.findings.reported import of_story
from tests.stories import ACK, RST, SYN, Network, tcp
from tests.story_reports import B

NAME = "connection-refused"
APP, OTHER = "172.17.0.2", "172.17.0.3"
INSIDE, OUTSIDE = "A/docker0", "A/ens33"


def accept(net: Network, client: str, sport: int, port: int) -> None:
    """A connection that goes out and is answered."""
    asked = tcp(f"{client}:{sport} > {B}:{port}", seq=sport, flags=SYN, ident=sport)
    answer = tcp(f"{B}:{port} > {client}:{sport}", seq=7, ack=sport + 1, flags=SYN | ACK, ident=sport + 1)
    net.pass_by((INSIDE, asked), (OUTSIDE, asked.routed()), gap=1e5)
    net.pass_by((OUTSIDE, answer), (INSIDE, answer.routed()), gap=1e5)


def refuse(net: Network, sport: int, port: int, *, by_server: bool = False) -> None:
    """A connection that the host refuses, or the server."""
    asked = tcp(f"{APP}:{sport} > {B}:{port}", seq=sport, flags=SYN, ident=sport)
    answer = tcp(f"{B}:{port} > {APP}:{sport}", ack=sport + 1, flags=RST | ACK, ident=0)
    net.pass_by(*[(INSIDE, asked), (OUTSIDE, asked.routed())][: 1 + by_server], gap=1e5)
    net.pass_by(*[(OUTSIDE, answer), (INSIDE, answer.routed())][1 - by_server :], gap=1e5)


def finding(folder: Path, accepted: int = 80, *, by_server: bool = False, is_last: bool = False) -> dict[str, Any]:
    """The finding about two refused connections to port 80, between accepted ones to a port of the same server."""
    net = Network([INSIDE, OUTSIDE])
    for number in range(2):
        accept(net, OTHER, 40000 + number, accepted)
    for number in range(2):
        refuse(net, 41000 + number, 80, by_server=by_server)
    if not is_last:
        accept(net, OTHER, 42000, accepted)
    (found,) = of_story(net, folder, NAME)
    return found


@pytest.mark.parametrize("accepted", [80, 443])
def test_firewall_before_the_next_point_is_told(tmp_path: Path, accepted: int) -> None:
    """Other flows to the service show the way, or to another port of its address."""
    refused = finding(tmp_path, accepted)
    assert refused["facts"]["between"] == [INSIDE, OUTSIDE]
    assert f"where 3 other flows to {B} went on: a firewall in between refuses them" in refused["says"]
    assert "tcp-reset" in refused["fix"]


def test_server_that_refuses_is_silent(tmp_path: Path) -> None:
    assert "between" not in finding(tmp_path, by_server=True)["facts"]


def test_next_point_that_may_have_ended_is_silent(tmp_path: Path) -> None:
    """Nothing shows that it still recorded."""
    assert "between" not in finding(tmp_path, is_last=True)["facts"]
