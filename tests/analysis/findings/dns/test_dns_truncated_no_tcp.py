"""dns-truncated-no-tcp: truncated answers, and a TCP port 53 that does not open."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.dns_stories import CLIENT, SERVER, answer, question
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, RST, SYN, Network, tcp

SECOND = 1e6  # µs
V4 = (f"{CLIENT}:40000 > {SERVER}:53", f"{SERVER}:53 > {CLIENT}:40000")
V6 = ("[fd00::7]:40000 > [fd00:96::a]:53", "[fd00:96::a]:53 > [fd00::7]:40000")


def ask(net: Network, ends: tuple[str, str] = V4, truncated: bool = True) -> None:
    asked = question("long.example.com", ends=ends[0])
    for packet in (asked, answer(asked, truncated=truncated)):
        net.pass_by(("pod/eth0", packet))


def connect(net: Network, ends: tuple[str, str] = V4, answered: int | None = None, tries: int = 3) -> None:
    """SYNs to port 53 a second apart; `answered`: flags of what the server says to the last one."""
    for number in range(tries):
        net.pass_by(("pod/eth0", tcp(ends[0], seq=7, flags=SYN, ident=50 + number)), gap=SECOND)
    if answered is not None:
        net.pass_by(("pod/eth0", tcp(ends[1], seq=0, ack=8, flags=answered)))


def of(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "dns-truncated-no-tcp")


@pytest.mark.parametrize("ends", [V4, V6], ids=["IPv4", "IPv6"])
def test_tcp_that_is_not_answered_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    net = Network(["pod/eth0"])
    ask(net, ends)
    connect(net, ends)
    (finding,) = of(net, tmp_path)
    assert (finding["level"], finding["facts"]["attempts"], finding["facts"]["refused"]) == ("error", 3, False)
    assert "long.example.com" in finding["says"]
    assert {frame["frame"] for frame in finding["evidence"]} == {1, 2, 3}


def test_tcp_that_is_refused_is_told(tmp_path: Path) -> None:
    net = Network(["pod/eth0"])
    ask(net)
    connect(net, answered=RST | ACK, tries=1)
    (finding,) = of(net, tmp_path)
    assert finding["facts"]["refused"] is True


def test_tcp_that_is_accepted_is_silent(tmp_path: Path) -> None:
    net = Network(["pod/eth0"])
    ask(net)
    connect(net, answered=SYN | ACK)
    assert of(net, tmp_path) == []


def test_longer_answer_by_udp_is_silent(tmp_path: Path) -> None:
    """The client asks again with EDNS, and needs no TCP."""
    net = Network(["pod/eth0"])
    ask(net)
    ask(net, truncated=False)
    assert of(net, tmp_path) == []


def test_single_syn_at_the_end_is_silent(tmp_path: Path) -> None:
    net = Network(["pod/eth0"])
    ask(net)
    connect(net, tries=1)
    assert of(net, tmp_path) == []


def test_tcp_before_the_truncated_answer_is_silent(tmp_path: Path) -> None:
    """A port check of the name server is not the client's next step."""
    net = Network(["pod/eth0"])
    connect(net)
    ask(net)
    assert of(net, tmp_path) == []
