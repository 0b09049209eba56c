"""firewall-rejected: ICMP errors with which a firewall, or a service without a backend, rejects connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, of_story
from tests.stories import SYN, Network, Packet, about, ping, tcp, udp
from tests.story_reports import A, B

SYN_TO_A = tcp(f"{B}:40000 > {A}:80", flags=SYN, seq=100, ident=1, smac=CARD_B, dmac=CARD_A)
DATAGRAM = udp(f"{B}:40000 > {A}:53", b"question", ident=2, smac=CARD_B, dmac=CARD_A)


def reject(net: Network, cause: Packet, kind: int, code: int) -> None:
    """A answers the cause with an ICMP error that quotes it."""
    net.pass_by(("A/ens33", cause))
    error = ping(f"{cause.dst} > {cause.src}", 0, 0, icmp=(kind, code), smac=CARD_A, dmac=CARD_B)
    net.pass_by(("A/ens33", about(error, cause)))


@pytest.mark.parametrize(
    ("cause", "code", "words"),
    [
        (SYN_TO_A, 9, "network administratively prohibited"),
        (SYN_TO_A, 10, "host administratively prohibited"),
        (SYN_TO_A, 13, "communication administratively prohibited"),
        (DATAGRAM, 13, "communication administratively prohibited"),
        (SYN_TO_A, 3, "port unreachable"),
    ],
)
def test_rejecting_message_is_told(tmp_path: Path, cause: Packet, code: int, words: str) -> None:
    net = Network(["A/ens33"])
    reject(net, cause, 3, code)
    (finding,) = of_story(net, tmp_path, "firewall-rejected")
    assert finding["level"] == "error" and words in finding["says"]
    assert finding["facts"]["destination"] == A and finding["facts"]["sources"] == [B]
    assert ("route of type prohibit" in finding["fix"]) is (code == 13)
    assert [frame["frame"] for frame in finding["evidence"]] == [2]


def test_rejecting_message_of_ipv6_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    cause = tcp("[2001:db8::2]:40000 > [2001:db8::1]:80", flags=SYN, seq=1)
    net.pass_by(("A/ens33", cause))
    error = Packet("icmp", "2001:db8::1", "2001:db8::2", icmp=(1, 1), payload=cause.ip())
    net.pass_by(("A/ens33", error))
    (finding,) = of_story(net, tmp_path, "firewall-rejected")
    assert finding["facts"]["destination"] == "2001:db8::1" and finding["facts"]["port"] == 80


@pytest.mark.parametrize(
    ("cause", "kind", "code"),
    [(DATAGRAM, 3, 3), (SYN_TO_A, 3, 1), (SYN_TO_A, 3, 4), (SYN_TO_A, 11, 0)],
    ids=["closed UDP port", "host unreachable", "fragmentation needed", "time exceeded"],
)
def test_other_message_is_silent(tmp_path: Path, cause: Packet, kind: int, code: int) -> None:
    net = Network(["A/ens33"])
    reject(net, cause, kind, code)
    assert of_story(net, tmp_path, "firewall-rejected") == []
