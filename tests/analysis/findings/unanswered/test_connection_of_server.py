"""connection-unanswered: a server that answers no SYNs and connects to their client itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, of_story
from tests.stories import ACK, RST, SYN, Network, Packet, tcp
from tests.story_reports import A, B

NAME = "connection-unanswered"
SECOND = 1e6  # µs


def called_back(
    when: str, *, answer: int = SYN | ACK, is_completed: bool = True, port: int = 102, caller: str = B
) -> Network:
    """A calls B four times in vain, and a host calls A: before that, meanwhile, or after it."""
    net = Network(["A/ens33"])
    back = CARD_B if caller == B else "02:00:00:00:00:09"

    def put(packet: Packet) -> None:
        net.pass_by(("A/ens33", packet.but(ident=len(net.recorded) + 1)), gap=100)

    def call() -> None:
        put(tcp(f"{caller}:4185 > {A}:{port}", seq=7, flags=SYN, smac=back, dmac=CARD_A))
        put(tcp(f"{A}:{port} > {caller}:4185", seq=3, ack=8, flags=answer, smac=CARD_A, dmac=back))
        if is_completed:
            put(tcp(f"{caller}:4185 > {A}:{port}", seq=8, ack=4, flags=ACK, smac=back, dmac=CARD_A))

    if when == "before":
        call()
    for number in range(4):
        put(tcp(f"{A}:49176 > {B}:102", seq=7, flags=SYN, smac=CARD_A, dmac=CARD_B))
        net.now += 1.02 * SECOND
        if when == "meanwhile" and number == 1:
            call()
    if when == "after":
        call()
    return net


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_server_that_connects_itself_is_told(tmp_path: Path, when: str) -> None:
    """A controller and a PC whose firewall lets nothing in: the PC is up, and the ways are there."""
    (finding,) = of_story(called_back(when), tmp_path, NAME)
    assert (finding["level"], finding["facts"]["answers"]) == ("warning", "connects")
    assert f"connects to {A} itself" in finding["says"] and "is up" in finding["says"]
    assert finding["fix"].startswith("look for a filter")


def test_server_that_connects_later_is_told(tmp_path: Path) -> None:
    """A router of BGP that starts: its neighbour asks too early."""
    (finding,) = of_story(called_back("after"), tmp_path, NAME)
    assert finding["facts"]["answers"] == "later" and "sent nothing until then" in finding["says"]
    assert "likely not up yet" in finding["fix"]


@pytest.mark.parametrize("case", ["refused", "no ACK came", "another host"])
def test_call_that_does_not_work_is_silent(tmp_path: Path, case: str) -> None:
    """What the client sends does not reach the server, or is no connection of the server."""
    net = called_back(
        "meanwhile",
        answer=RST | ACK if case == "refused" else SYN | ACK,
        is_completed=case == "another host",
        caller="192.168.111.77" if case == "another host" else B,
    )
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["answers"] == "nothing" and "itself" not in finding["says"]


@pytest.mark.parametrize("is_one_sided", [True, False], ids=["one direction", "both"])
def test_direction_of_the_client_alone_shows_no_silence(tmp_path: Path, is_one_sided: bool) -> None:
    """Windows asks a port that is refused three times: without the RSTs, nothing says that the server is silent."""
    net = Network(["A/ens33"])
    other = "192.168.111.77"
    for number, (flags, seq, ack) in enumerate(((SYN, 7, 0), (ACK, 8, 4), (ACK, 8, 900), (ACK, 8, 1800))):
        net.pass_by(("A/ens33", tcp(f"{A}:41000 > {other}:22", seq=seq, ack=ack, flags=flags, ident=number)))
    if not is_one_sided:
        net.pass_by(("A/ens33", tcp(f"{other}:22 > {A}:41000", bytes(900), seq=4, ack=8, flags=ACK, ident=9)))
    for number in range(3):
        asked = tcp(f"{A}:49176 > {B}:102", seq=7, flags=SYN, smac=CARD_A, dmac=CARD_B, ident=20 + number)
        net.pass_by(("A/ens33", asked), gap=0.6 * SECOND)
    (finding,) = of_story(net, tmp_path, NAME)
    assert ("got no answer" in finding["says"]) is not is_one_sided
    assert ("would not show a refusal" in finding["says"]) is is_one_sided
    assert finding["fix"].startswith("capture both directions") is is_one_sided
