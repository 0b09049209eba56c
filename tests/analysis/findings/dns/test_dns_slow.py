"""dns-slow: name servers that answer after more than a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.dns_stories import answer, question
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, Packet

SECOND = 1e6  # µs


def play(
    folder: Path, waits: list[float], retries: tuple[float, ...] = (), answers: int = 1, **more: object
) -> Findings:
    """Lookups of different names, each answered after its wait in seconds, and asked again after `retries`."""
    net = Network(["pod/eth0"])
    for number, wait in enumerate(waits):
        asked: Packet = question(f"host{number}.example.com", ident=number + 1, port=40000 + number, **more)
        begin = number * 20 * SECOND
        for retry in (0.0, *retries):
            net.at(begin + retry * SECOND, "pod/eth0", asked)
        for copy in range(answers):
            net.at(begin + wait * SECOND + copy * 2000, "pod/eth0", answer(asked))
    return of_story(net, folder, "dns-slow")


@pytest.mark.parametrize("more", [{}, {"ends": "[fd00::7]:40000 > [fd00:96::a]:53"}], ids=["IPv4", "IPv6"])
def test_answers_after_seconds_is_told(tmp_path: Path, more: dict[str, object]) -> None:
    (finding,) = play(tmp_path, [1.5, 0.1, 2.0, 3.0], **more)
    facts = finding["facts"]
    assert (finding["level"], facts["slow"], facts["answers"]) == ("warning", 3, 4)
    assert (facts["median_s"], facts["worst_s"]) == (2.0, 3.0)


def test_each_question_answered_late_is_told(tmp_path: Path) -> None:
    """Sent again after 2.5 s; the server answers both after 3 s: nothing was lost."""
    (finding,) = play(tmp_path, [3.0] * 3, retries=(2.5,), answers=2)
    assert finding["facts"]["median_s"] == 3.0


def test_lost_questions_is_silent(tmp_path: Path) -> None:
    """The first one was lost; the second one is answered at once."""
    assert play(tmp_path, [5.001] * 4, retries=(5.0,)) == []


def test_names_that_are_not_cached_is_silent(tmp_path: Path) -> None:
    assert play(tmp_path, [1.5, 0.01, 0.01, 1.2]) == []


def test_quick_answers_is_silent(tmp_path: Path) -> None:
    assert play(tmp_path, [0.9] * 5) == []
