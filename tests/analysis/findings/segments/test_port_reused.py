"""port-reused: a SYN that meets an older connection of the same ports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, RST, SYN, Network, Packet, tcp
from tests.story_reports import A, B

V4, V6 = (
    (f"{A}:40000 > {B}:1521", f"{B}:1521 > {A}:40000"),
    ("[fd00::1]:40000 > [fd00::2]:1521", "[fd00::2]:1521 > [fd00::1]:40000"),
)
OLD, NEW = 5000, 900_000  # sequence numbers of the client's older connection and of the new one


def play(folder: Path, *packets: Packet) -> Findings:
    net = Network(["B/ens33"])
    for number, packet in enumerate(packets):
        net.pass_by(("B/ens33", packet.but(ident=number + 1)))
    return of_story(net, folder, "port-reused")


def reuse(ends: tuple[str, str], refuses: bool = True) -> list[Packet]:
    """SYN, the challenge ACK of the older connection, RST, and SYN again."""
    out, back = ends
    syn, challenge = tcp(out, seq=NEW, flags=SYN), tcp(back, seq=7000, ack=OLD, flags=ACK)
    return [syn, challenge, *([tcp(out, seq=OLD, flags=RST)] if refuses else []), syn.but()]


@pytest.mark.parametrize("ends", [V4, V6], ids=["IPv4", "IPv6"])
def test_challenge_ack_and_reset_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    (finding,) = play(tmp_path, *reuse(ends), tcp(ends[1], seq=1, ack=NEW + 1, flags=SYN | ACK))
    assert (finding["level"], finding["facts"]["port"], finding["facts"]["ports"]) == ("warning", 1521, [40000])
    assert [frame["frame"] for frame in finding["evidence"]] == [1, 2, 3, 4, 5]
    assert "challenge ACK" in finding["says"] and "accepted after 4 ms" in finding["says"]


def test_reset_that_is_dropped_is_told(tmp_path: Path) -> None:
    """A firewall between them takes the RST for invalid: the server answers the next SYN in the same way."""
    (finding,) = play(tmp_path, *reuse(V4, refuses=False), tcp(V4[1], seq=7000, ack=OLD, flags=ACK))
    assert "no SYN was accepted" in finding["says"]


def test_syn_that_is_repeated_only_is_silent(tmp_path: Path) -> None:
    syn = tcp(V4[0], seq=NEW, flags=SYN)
    assert play(tmp_path, syn, syn, tcp(V4[1], seq=1, ack=NEW + 1, flags=SYN | ACK)) == []


@pytest.mark.parametrize(
    ("answer", "then"),
    [
        (tcp(V4[1], seq=7000, ack=OLD, flags=ACK), tcp(V4[0], b"data", seq=OLD, flags=ACK)),
        (tcp(V4[1], seq=7000, ack=NEW + 1, flags=ACK), tcp(V4[0], seq=NEW + 1, flags=RST)),
        (tcp(V4[1], seq=7000, flags=RST), tcp(V4[1], seq=7000, flags=RST)),
    ],
    ids=["the older connection goes on", "the number of the SYN", "refused"],
)
def test_other_answer_than_a_refused_challenge_is_silent(tmp_path: Path, answer: Packet, then: Packet) -> None:
    syn = tcp(V4[0], seq=NEW, flags=SYN)
    assert play(tmp_path, syn, answer, then, syn) == []


def test_refused_twice_is_silent(tmp_path: Path) -> None:
    syn, refusal = tcp(V4[0], seq=NEW, flags=SYN), tcp(V4[1], seq=7000, flags=RST)
    assert play(tmp_path, syn, refusal, syn, refusal) == []


def test_syn_that_is_not_sent_again_is_silent(tmp_path: Path) -> None:
    """The client goes on with other numbers."""
    other = [tcp(V4[0], seq=NEW + 9, flags=SYN), tcp(V4[1], seq=1, ack=NEW + 10, flags=SYN | ACK)]
    assert play(tmp_path, *reuse(V4)[:-1], *other) == []


def test_connection_that_is_reset_is_silent(tmp_path: Path) -> None:
    """Accepted, reset by the client, and opened again: a port check."""
    once = [
        tcp(V4[0], seq=NEW, flags=SYN),
        tcp(V4[1], seq=1, ack=NEW + 1, flags=SYN | ACK),
        tcp(V4[0], seq=NEW + 1, flags=RST),
    ]
    again = [
        tcp(V4[0], seq=NEW + 9, flags=SYN),
        tcp(V4[1], seq=9, ack=NEW + 10, flags=SYN | ACK),
        tcp(V4[0], seq=NEW + 10, flags=RST),
    ]
    assert play(tmp_path, *once, *again) == []


def test_keepalive_answers_is_silent(tmp_path: Path) -> None:
    """ACKs with the connection's own numbers, among them a late one that crosses a repeated SYN."""
    syn = tcp(V4[0], seq=NEW, flags=SYN)
    accept = tcp(V4[1], seq=1, ack=NEW + 1, flags=SYN | ACK)
    assert (
        play(tmp_path, syn, accept, syn, tcp(V4[1], seq=2, ack=NEW + 1, flags=ACK), tcp(V4[0], seq=NEW + 1, flags=RST))
        == []
    )
