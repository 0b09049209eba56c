"""long-queue: a transfer fills a queue in which the packets of others wait."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import of_story
from tests.stories import ACK, SYN, Network, ping, tcp
from tests.story_reports import A, B

NAME = "long-queue"
HERE, SECOND = "A/ens33", 1e6


def pings(net: Network, start: float, delay: float, count: int = 4) -> None:
    """Echo requests 0.3 s apart from `start`, each answered `delay` µs later."""
    for number in range(count):
        at, seq = start + number * 0.3 * SECOND, int(start / 1e5) + number
        net.at(at, HERE, ping(f"{A} > {B}", 7, seq, ident=seq))
        net.at(at + delay, HERE, ping(f"{B} > {A}", 7, seq, ident=seq, icmp=(0, 0)))


def transfer(net: Network, start: float, seconds: float, segments: int = 180) -> None:
    """Data of B, after its handshake."""
    syn = tcp(f"{A}:40000 > {B}:80", flags=SYN, seq=1, ident=1)
    net.at(start, HERE, syn)
    net.at(start + 100, HERE, tcp(f"{B}:80 > {A}:40000", flags=SYN | ACK, seq=9, ack=2, ident=2))
    for number in range(segments):
        data = tcp(f"{B}:80 > {A}:40000", bytes(1400), flags=ACK, seq=10 + 1400 * number, ack=2, ident=10 + number)
        net.at(start + (number + 1) * seconds * SECOND / segments, HERE, data)


def test_pings_that_wait_behind_a_transfer_is_told(tmp_path: Path) -> None:
    net = Network([HERE])
    pings(net, 0, 400)
    transfer(net, 2 * SECOND, 2)
    pings(net, 2.2 * SECOND, 300_000)
    pings(net, 6 * SECOND, 400)
    (finding,) = of_story(net, tmp_path, NAME)
    facts = finding["facts"]
    assert (finding["level"], facts["slow"], facts["round_trips"]) == ("warning", 4, 13)
    assert (facts["slow_ms"], facts["fast_ms"], facts["mbit_s"]) == (300.0, 0.4, 1.0)
    assert (facts["sender"], facts["receiver"]) == (B, A)


@pytest.mark.parametrize("delay", [400, 50_000], ids=["quick", "short queue"])
def test_pings_that_stay_quick_is_silent(tmp_path: Path, delay: float) -> None:
    net = Network([HERE])
    pings(net, 0, 400)
    transfer(net, 2 * SECOND, 2)
    pings(net, 2.2 * SECOND, delay)
    assert of_story(net, tmp_path, NAME) == []


def test_pings_that_are_slow_without_a_transfer_is_silent(tmp_path: Path) -> None:
    """Something else makes them slow."""
    net = Network([HERE])
    pings(net, 0, 400)
    transfer(net, 2 * SECOND, 2)
    pings(net, 2.2 * SECOND, 300_000)
    pings(net, 6 * SECOND, 300_000)
    assert of_story(net, tmp_path, NAME) == []


def test_long_way_is_silent(tmp_path: Path) -> None:
    """All round trips are long."""
    net = Network([HERE])
    pings(net, 0, 250_000)
    transfer(net, 2 * SECOND, 2)
    pings(net, 2.2 * SECOND, 260_000)
    assert of_story(net, tmp_path, NAME) == []
