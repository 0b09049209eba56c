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
    from_server = [(OUTSIDE, answer), (INSIDE, answer.routed())]
    net.pass_by(*(from_server if by_server else [(INSIDE, answer)]), gap=1e5)


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


def test_server_behind_another_uplink_is_silent(tmp_path: Path) -> None:
    """By its TTL, a router has passed the RST: a rule of the host sends it without."""
    net = Network([INSIDE, OUTSIDE])
    for number in range(4):
        accept(net, OTHER, 40000 + number, 80)
        asked = tcp(f"{APP}:{41000 + number} > {B}:80", seq=number, flags=SYN, ident=number)
        answer = tcp(f"{B}:80 > {APP}:{41000 + number}", ack=number + 1, flags=RST | ACK, ident=0)
        net.pass_by((INSIDE, asked), gap=1e5)
        net.pass_by((INSIDE, answer.routed()), gap=1e5)
    accept(net, OTHER, 42000, 80)
    (found,) = of_story(net, tmp_path, NAME)
    assert "between" not in found["facts"]


def test_service_whose_local_server_refuses_is_silent(tmp_path: Path) -> None:
    """kube-proxy leads some connections to another node, and others to a server of the host itself."""
    net, service, server = Network([INSIDE, OUTSIDE]), "10.96.0.10", "192.168.111.77"
    for number in range(9):
        sport = 40000 + number
        asked = tcp(f"{APP}:{sport} > {service}:80", seq=sport, flags=SYN, ident=sport)
        if number % 2:
            net.pass_by((INSIDE, asked), gap=1e5)
            net.pass_by((INSIDE, tcp(f"{service}:80 > {APP}:{sport}", ack=sport + 1, flags=RST | ACK)), gap=1e5)
            continue
        answer = tcp(f"{server}:80 > {APP}:{sport}", seq=7, ack=sport + 1, flags=SYN | ACK, ident=sport + 1)
        net.pass_by((INSIDE, asked), (OUTSIDE, asked.routed(dst=server)), gap=1e5)
        net.pass_by((OUTSIDE, answer), (INSIDE, answer.routed(src=service)), gap=1e5)
    (found,) = of_story(net, tmp_path, NAME)
    assert "between" not in found["facts"]


def test_next_point_by_one_point_alone_is_silent(tmp_path: Path) -> None:
    net = Network([INSIDE])
    refuse(net, 41000, 80)
    (found,) = of_story(net, tmp_path, NAME)
    assert "between" not in found["facts"]
