"""dns-race: A and AAAA asked at once from one port, of which one is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.dns_stories import AAAA, A, answer, question
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, Packet

SECOND = 1e6  # µs
V6 = "[fd00::7]:40000 > [fd00:96::a]:53"


def told(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "dns-race")


def at(net: Network, time: float, *packets: Packet) -> None:
    """Packets at the first point of a network, 1.5 ms apart."""
    for number, packet in enumerate(packets):
        net.at(time + number * 1500, net.points[0], packet)


def pair(name: str = "api.example.com", ident: int = 1, **more: object) -> tuple[Packet, Packet]:
    return question(name, A, ident, **more), question(name, AAAA, ident + 1000, **more)


def lost_one(lost: int = 1, timeout: float = 5.0, **more: object) -> Network:
    """The question number `lost` of a pair has no answer; both are asked again after `timeout`."""
    net = Network(["pod/eth0"])
    questions = pair(**more)
    at(net, 0, *questions, answer(questions[1 - lost]))
    for number, packet in enumerate(questions):
        at(net, timeout * SECOND + number * 3000, packet, answer(packet))
    return net


@pytest.mark.parametrize("timeout", [1.0, 2.5, 5.0])  # options timeout:1, musl, glibc
@pytest.mark.parametrize("lost", [0, 1])
def test_one_of_a_pair_lost_is_told(tmp_path: Path, lost: int, timeout: float) -> None:
    (finding,) = told(lost_one(lost, timeout), tmp_path)
    facts = finding["facts"]
    assert finding["level"] == "warning"
    assert (facts["lost"], facts["port"], facts["seconds"]) == (["A", "AAAA"][lost], 40000, timeout)
    assert {1, 2, 3} <= {frame["frame"] for frame in finding["evidence"]}


def test_pair_over_ipv6_is_told(tmp_path: Path) -> None:
    (finding,) = told(lost_one(ends=V6), tmp_path)
    assert finding["facts"]["client"] == "fd00::7"


def test_pair_lost_between_two_points_is_told(tmp_path: Path) -> None:
    """The host's kernel drops the second question behind the bridge, where it translates the first one."""
    net = Network(["A/cni0", "A/ens33"])
    first, second = pair()

    def forward(time: float, packet: Packet) -> None:
        outside = packet.routed(src="192.168.111.128", dst="192.168.111.129")
        for offset, point, form in (
            (0, 0, packet),
            (50, 1, outside),
            (400, 1, answer(outside, ttl=64)),
            (450, 0, answer(packet, ttl=63)),
        ):
            net.at(time + offset, net.points[point], form)

    forward(0, first)
    net.at(20, "A/cni0", second)
    forward(5 * SECOND, first)
    forward(5 * SECOND + 1000, second)
    (finding,) = told(net, tmp_path)
    assert (finding["facts"]["from"], finding["facts"]["to"]) == ("A/cni0", "A/ens33")
    assert "between A/cni0 and A/ens33" in finding["says"]


def test_pair_that_is_answered_is_silent(tmp_path: Path) -> None:
    net = Network(["pod/eth0"])
    for number in range(3):
        questions = pair(ident=number + 1)
        at(net, number * SECOND, *questions, *map(answer, questions))
    assert told(net, tmp_path) == []


def test_server_that_never_answers_aaaa_is_silent(tmp_path: Path) -> None:
    """The name server hates AAAA: asked again after 5 s, it still says nothing."""
    net = Network(["pod/eth0"])
    for number, name in enumerate(("api.example.com", "db.example.com")):
        first, second = pair(name, number + 1)
        at(net, number * 20 * SECOND, first, second, answer(first))
        at(net, (number * 20 + 5) * SECOND, first, answer(first), second)
    assert told(net, tmp_path) == []


def test_both_questions_lost_is_silent(tmp_path: Path) -> None:
    """Nothing of the first try was answered: the server or the path was away."""
    net = Network(["pod/eth0"])
    questions = pair()
    at(net, 0, *questions)
    at(net, 5 * SECOND, *questions, *map(answer, questions))
    assert told(net, tmp_path) == []


def test_single_question_lost_too_is_silent(tmp_path: Path) -> None:
    """A link that loses packets loses questions without a pair as well."""
    net = lost_one()
    at(net, 2 * SECOND, question("lone.example.com", A, 7, port=40007))
    assert told(net, tmp_path) == []


def test_answer_that_is_only_late_is_silent(tmp_path: Path) -> None:
    """Both answers to the same question come in the end: the server was slow."""
    net = Network(["pod/eth0"])
    first, second = pair()
    at(net, 0, first, second, answer(first))
    at(net, 5 * SECOND, second, answer(second), answer(second))
    assert told(net, tmp_path) == []


def test_questions_from_two_ports_is_silent(tmp_path: Path) -> None:
    """`single-request-reopen`: the second question has a socket of its own."""
    net = Network(["pod/eth0"])
    first, second = question("api.example.com", A, 1), question("api.example.com", AAAA, 2, port=40001)
    at(net, 0, first, second, answer(first))
    at(net, 5 * SECOND, second, answer(second))
    assert told(net, tmp_path) == []
