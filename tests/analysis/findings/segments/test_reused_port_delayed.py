"""reused-port-delayed: SYNs from a source port that an older connection had are lost once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, FIN, SYN, Network
from tests.stories import tcp as segment
from tests.story_reports import A, B

POINT = "B/ens33"
SECOND = 1e6  # µs
V6 = ("[fd00:111::81]", "[fd00:111::80]")


def connect(net: Network, port: int, round_: int, *, lost: int = 0, ends: tuple[str, str] = (B, A)) -> None:
    """One connection, whose first SYNs are lost; the next one is sent a second later."""
    number = port * 10_000 + round_ * 100
    there = f"{ends[0]}:{port} > {ends[1]}:8080"
    back = f"{ends[1]}:8080 > {ends[0]}:{port}"
    for attempt in range(lost + 1):
        net.pass_by((POINT, segment(there, flags=SYN, seq=number, ident=number + attempt & 0xFFFF)))
        net.now += SECOND if attempt < lost else 100
    steps = (
        (back, SYN | ACK, 7, number + 1), (there, ACK, number + 1, 8), (there, FIN | ACK, number + 1, 8),
        (back, FIN | ACK, 8, number + 2), (there, ACK, number + 2, 9),
    )  # fmt: skip
    for place, (ends_, flags, seq, ack) in enumerate(steps):
        net.pass_by((POINT, segment(ends_, flags=flags, seq=seq, ack=ack, ident=number + 20 + place & 0xFFFF)))
    net.now += SECOND / 10


def rounds(*lost: int, ports: int = 4, ends: tuple[str, str] = (B, A)) -> Network:
    """Each round connects from the same ports; `lost`: of each round, SYNs of each connection."""
    net = Network([POINT])
    for number, count in enumerate(lost):
        for port in range(ports):
            connect(net, 61_230 + port, number, lost=count, ends=ends)
    return net


def delayed(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "reused-port-delayed")


@pytest.mark.parametrize("ends", [(B, A), V6])
def test_used_ports_that_wait_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    (finding,) = delayed(rounds(0, 1, ends=ends), tmp_path)
    assert (finding["facts"]["delayed"], finding["facts"]["reused"], finding["facts"]["new"]) == (4, 4, 4)
    assert "waited 1.0 s" in finding["says"] and finding["level"] == "warning"


def test_used_ports_that_are_accepted_is_silent(tmp_path: Path) -> None:
    assert delayed(rounds(0, 0), tmp_path) == []


def test_new_ports_that_wait_too_is_silent(tmp_path: Path) -> None:
    """SYNs are lost whatever their port is."""
    assert delayed(rounds(1, 1), tmp_path) == []


def test_a_part_of_the_used_ports_is_silent(tmp_path: Path) -> None:
    """One of four waits in each of two rounds: a lossy network."""
    net = rounds(0)
    for number in (1, 2):
        for port in range(4):
            connect(net, 61_230 + port, number, lost=int(port == number))
    assert delayed(net, tmp_path) == []


def test_one_delayed_connection_is_silent(tmp_path: Path) -> None:
    net = rounds(0)
    connect(net, 61_230, 1, lost=1)
    assert delayed(net, tmp_path) == []


def test_few_new_connections_is_silent(tmp_path: Path) -> None:
    """Nothing to compare with."""
    assert delayed(rounds(0, 1, ports=2), tmp_path) == []
