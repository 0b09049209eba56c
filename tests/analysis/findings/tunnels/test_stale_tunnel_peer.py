"""stale-tunnel-peer: one tunnel end sends frames for a MAC to another end than the one where it speaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.overlays import A_CARD, X_MAC, Y_MAC, X, Y, asks, outer
from tests.analysis.findings.reported import Findings, named, of_story
from tests.stories import ACK, SYN, Network, Packet, tcp
from tests.story_reports import A, B, read

C = "192.168.111.130"
V6 = {A: "fd00:111::80", B: "fd00:111::81", C: "fd00:111::82"}
SECOND = 1e6  # µs


def passes(net: Network, frame: Packet | bytes, source: str, target: str, after: float = SECOND) -> None:
    """A frame in the tunnel between two hosts, at the card of A."""
    net.at(net.now, A_CARD, outer(frame, True, ends=(source, target)))
    net.now += after


def syn(number: int, **more: object) -> Packet:
    return tcp(f"{X}:4{number}000 > {Y}:5432", flags=SYN, seq=number, ident=number, smac=X_MAC, dmac=Y_MAC).but(**more)


def asked_by_y(net: Network, home: str, ends: dict[str, str]) -> None:
    passes(net, asks(Y_MAC, Y, X), ends[home], ends[A], 3e5)


def moved(home: str, *, target: str = B, hosts: dict[str, str] | None = None, rounds: int = 3) -> Network:
    """Y speaks from its home by ARP; A sends the SYNs of X for it to another host."""
    net, ends = Network([A_CARD]), hosts or {A: A, B: B, C: C}
    for number in range(rounds):
        asked_by_y(net, home, ends)
        for again in range(2):
            passes(net, syn(number, ident=number * 10 + again), ends[A], ends[target])
    asked_by_y(net, home, ends)
    return net


def stale(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "stale-tunnel-peer")


@pytest.mark.parametrize("hosts", [None, V6])
def test_frames_to_a_host_without_the_station_is_told(tmp_path: Path, hosts: dict[str, str] | None) -> None:
    report = read(moved(C, hosts=hosts), tmp_path)
    (finding,) = named(report, "stale-tunnel-peer")
    ends = hosts or {A: A, B: B, C: C}
    assert [finding["facts"][key] for key in ("sender", "target", "home")] == [ends[A], ends[B], ends[C]]
    assert finding["facts"]["packets"] == 6 and finding["facts"]["mac"] == Y_MAC
    assert finding["level"] == "error"
    assert named(report, "connection-unanswered") == []


def test_station_where_it_is_sent_to_is_silent(tmp_path: Path) -> None:
    assert stale(moved(C, target=C), tmp_path) == []


def test_station_that_moved_since_is_silent(tmp_path: Path) -> None:
    """Y spoke from C, moved to B, and has not said a word there."""
    net = Network([A_CARD])
    asked_by_y(net, C, {A: A, C: C})
    for number in range(4):
        passes(net, syn(1, ident=number), A, B)
    assert stale(net, tmp_path) == []


def test_station_with_two_homes_is_silent(tmp_path: Path) -> None:
    """It speaks from C and from B: a bond, or a second station with its MAC."""
    net = moved(C)
    asked_by_y(net, B, {A: A, B: B})
    net.now += SECOND
    passes(net, syn(1, ident=99), A, B)
    assert stale(net, tmp_path) == []


def test_copies_to_all_hosts_is_silent(tmp_path: Path) -> None:
    """A does not know the MAC and floods."""
    net = Network([A_CARD])
    for number in range(4):
        for target in (B, C):
            passes(net, syn(1, ident=number), A, target, 10)
        net.now += SECOND
        asked_by_y(net, C, {A: A, C: C})
    assert stale(net, tmp_path) == []


def test_answer_from_another_end_is_silent(tmp_path: Path) -> None:
    """Two ends share the station (EVPN multihoming): what goes to the one is answered by the other."""
    net = moved(C, rounds=1)
    answer = tcp(f"{Y}:5432 > {X}:40000", flags=SYN | ACK, ack=1, ident=77, smac=Y_MAC, dmac=X_MAC)
    passes(net, answer, C, A)
    passes(net, syn(0, ident=78, flags=ACK, seq=1, ack=1), A, B)
    assert stale(net, tmp_path) == []
