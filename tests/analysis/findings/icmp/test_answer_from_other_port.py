"""answer-from-other-port: a server answers from a new port, and is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import of_story
from tests.stories import Network, Packet, about, ping, udp
from tests.story_reports import C1, POINTS, A, B, inward, outward

NAME = "answer-from-other-port"


def refuses(net: Network, answer: Packet, host: str = A) -> None:
    error = about(ping(f"{host} > {answer.src}", 0, 0, icmp=(3, 3), ident=answer.ident + 500), answer)
    net.pass_by(("A/ens33", error), ("B/ens33", error))


def asks(
    net: Network, number: int, *, port: int = 69, client: int = 40000, answer: bool = True, refused: bool = True
) -> None:
    """The container asks B's port, translated, and B answers A from a port of its own."""
    outward(net, udp(f"{C1}:{client} > {B}:{port}", b"boot.cfg", ident=number))
    reply = udp(f"{B}:{50000 + number} > {A}:{client}", b"the first block", ident=number + 100)
    if answer:
        net.pass_by(("B/ens33", reply), ("A/ens33", reply))
    if answer and refused:
        refuses(net, reply)
    net.now += 1e6


@pytest.mark.parametrize("port", [69, 1069])
def test_answers_to_a_translated_question_is_told(tmp_path: Path, port: int) -> None:
    net = Network(POINTS)
    for number in range(3):
        asks(net, number, port=port)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "error"
    assert finding["facts"] == {
        "server": B, "port": port, "host": A, "clients": [C1], "answered_from": [50000, 50001, 50002], "refused": 3,
        "translated": True,
    }  # fmt: skip
    assert ("nf_nat_tftp" in finding["fix"]) == (port == 69)


def test_answers_seen_outside_alone_is_told(tmp_path: Path) -> None:
    """At A's card, A asks and A refuses: whether it translates is not known."""
    net = Network(["A/ens33"])
    for number in range(3):
        packet = udp(f"{A}:40000 > {B}:69", b"boot.cfg", ident=number)
        reply = udp(f"{B}:{50000 + number} > {A}:40000", b"the first block", ident=number + 100)
        error = about(ping(f"{A} > {B}", 0, 0, icmp=(3, 3), ident=number + 500), reply)
        net.pass_by(*(("A/ens33", each) for each in (packet, reply, error)), gap=1e6)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "warning" and not finding["facts"]["translated"]


def test_accepted_answers_of_another_port_is_silent(tmp_path: Path) -> None:
    net = Network(POINTS)
    for number in range(3):
        asks(net, number, refused=False)
    assert of_story(net, tmp_path, NAME) == []


def test_late_answers_of_the_asked_port_is_silent(tmp_path: Path) -> None:
    """The client has closed its socket: the answer comes from the port that was asked."""
    net = Network(POINTS)
    for number in range(3):
        asks(net, number, answer=False)
        reply = udp(f"{B}:69 > {A}:40000", b"late", ident=number + 100)
        net.pass_by(("B/ens33", reply), ("A/ens33", reply))
        refuses(net, reply)
    assert of_story(net, tmp_path, NAME) == []


def test_questions_of_the_server_to_other_ports_is_silent(tmp_path: Path) -> None:
    """B scans A: what it asks is not sent to the port by which A asked B."""
    net = Network(POINTS)
    for number in range(3):
        asks(net, number, answer=False)
        probe = udp(f"{B}:{50000 + number} > {A}:{33434 + number}", b"probe", ident=number + 100)
        net.pass_by(("B/ens33", probe), ("A/ens33", probe))
        refuses(net, probe)
    assert of_story(net, tmp_path, NAME) == []


def test_datagrams_long_after_the_question_is_silent(tmp_path: Path) -> None:
    net = Network(POINTS)
    asks(net, 0, answer=False)
    for number in range(3):
        net.now += 1e7
        stray = udp(f"{B}:{50000 + number} > {A}:40000", b"stray", ident=number + 100)
        net.pass_by(("B/ens33", stray), ("A/ens33", stray))
        refuses(net, stray)
    assert of_story(net, tmp_path, NAME) == []


def test_question_that_is_answered_is_silent(tmp_path: Path) -> None:
    net = Network(POINTS)
    for number in range(3):
        asks(net, number, port=7000)
        inward(net, udp(f"{B}:7000 > {A}:40000", b"echo", ident=number + 200), f"{C1}:40000")
    assert of_story(net, tmp_path, NAME) == []


def test_port_that_was_asked_too_is_silent(tmp_path: Path) -> None:
    """STUN asks several ports of a server from one of its own, and is gone when the last answers come."""
    net = Network(["A/ens33"])
    for number in range(3):
        other = udp(f"{A}:40000 > {B}:3478", b"binding", ident=number + 50)
        reply = udp(f"{B}:3478 > {A}:40000", b"response", ident=number + 100)
        error = about(ping(f"{A} > {B}", 0, 0, icmp=(3, 3), ident=number + 500), reply)
        asked = udp(f"{A}:40000 > {B}:443", b"binding", ident=number)
        net.pass_by(*(("A/ens33", each) for each in (asked, other, reply, error)), gap=1e6)
    assert of_story(net, tmp_path, NAME) == []
