"""receiver-stalled: windows of zero. Played with a real kernel too: a server that sleeps 3 s before it reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, RST, SYN, Network, Packet, tcp
from tests.story_reports import A, B

SECOND = 1e6  # µs
V4 = (f"{A}:40000 > {B}:80", f"{B}:80 > {A}:40000")
V6 = ("[fd00::1]:40000 > [fd00::2]:80", "[fd00::2]:80 > [fd00::1]:40000")


def play(folder: Path, *packets: tuple[float, Packet]) -> Findings:
    """Packets at their times in s."""
    net = Network(["A/ens33"])
    for number, (time, packet) in enumerate(packets):
        net.at(time * SECOND, "A/ens33", packet.but(ident=number + 1))
    return of_story(net, folder, "receiver-stalled")


def stall(ends: tuple[str, str] = V4, seconds: float = 3.0, probes: int = 2) -> list[tuple[float, Packet]]:
    """A sends 1000 octets, B has no room for more; A probes with its last number, until B has room again."""
    out, back = ends
    closed = tcp(back, seq=1, ack=1001, window=0)
    packets = [(0.0, tcp(out, bytes(1000), seq=1, ack=1)), (0.1, closed)]
    for number in range(probes):
        time = 0.1 + seconds * (number + 1) / (probes + 1)
        packets += [(time, tcp(out, seq=1000, ack=1)), (time + 0.001, closed)]
    return [*packets, (0.1 + seconds, tcp(back, seq=1, ack=1001, window=502))]


@pytest.mark.parametrize("ends", [V4, V6], ids=["IPv4", "IPv6"])
def test_window_that_stays_closed_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    (finding,) = play(tmp_path, *stall(ends))
    facts = finding["facts"]
    assert (finding["level"], facts["stalls"], facts["longest_s"], facts["reopened"]) == ("warning", 1, 3.0, True)
    assert facts["receiver"] == ("fd00::2" if ":" in facts["receiver"] else B)


def test_window_that_never_opens_is_told(tmp_path: Path) -> None:
    (finding,) = play(tmp_path, *stall()[:-1])
    assert finding["facts"]["reopened"] is False and "did not open it again" in finding["says"]


def test_short_pause_is_silent(tmp_path: Path) -> None:
    assert play(tmp_path, *stall(seconds=0.1)) == []


def test_sender_without_data_is_silent(tmp_path: Path) -> None:
    """The sender has nothing more to send: no probe asks for room."""
    assert play(tmp_path, *stall(probes=0)) == []


def test_reset_with_window_zero_is_silent(tmp_path: Path) -> None:
    """Linux sends RST with a window of zero."""
    reset = tcp(V4[1], seq=1, ack=1001, flags=RST | ACK, window=0)
    later = tcp(V4[0], bytes(10), seq=1001, ack=1)
    assert play(tmp_path, (0, tcp(V4[0], bytes(1000), seq=1, ack=1)), (0.1, reset), (1, later), (2, later)) == []


def test_syn_ack_with_window_zero_is_silent(tmp_path: Path) -> None:
    """Some load balancers accept with a window of zero and open it with the next ACK."""
    accept = tcp(V4[1], seq=0, ack=1, flags=SYN | ACK, window=0)
    opened = tcp(V4[1], seq=1, ack=1, window=502)
    assert (
        play(tmp_path, (0, tcp(V4[0], seq=0, flags=SYN)), (0.1, accept), (0.5, tcp(V4[0], seq=1, ack=1)), (0.9, opened))
        == []
    )
