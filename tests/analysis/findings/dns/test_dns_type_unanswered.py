"""dns-type-unanswered: a name server that answers A and never AAAA."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.dns_stories import AAAA, A, answer, question
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network

SECOND = 1e6  # µs
POINT = "pod/eth0"
V6 = "[fd00::7]:40000 > [fd00:96::a]:53"


def lookups(
    folder: Path, *, names: int = 2, tries: int = 2, answered: int = 0, other: bool = True, **more: object
) -> Findings:
    """Questions for A and AAAA, 2.5 s apart; `answered`: how many for AAAA are; `other`: whether those for A are."""
    net = Network([POINT])
    for number in range(names):
        for attempt in range(tries):
            first = question(f"api{number}.example.com", A, number + 1, **more)
            second = question(f"api{number}.example.com", AAAA, number + 1001, **more)
            for delay, packet in ((0, first), (1000, second), (2000, answer(first) if other else None)):
                if packet is not None:
                    net.at(net.now + delay, POINT, packet)
            if number * tries + attempt < answered:
                net.at(net.now + 3000, POINT, answer(second))
            net.now += 2.5 * SECOND
    return of_story(net, folder, "dns-type-unanswered")


def test_aaaa_that_is_never_answered_is_told(tmp_path: Path) -> None:
    (finding,) = lookups(tmp_path)
    facts = finding["facts"]
    assert finding["level"] == "warning" and "no-aaaa" in finding["fix"]
    assert (facts["type_name"], facts["answered"], facts["questions"], facts["seconds"]) == ("AAAA", ["A"], 4, 2.5)
    assert "never those for AAAA: 4 questions" in finding["says"]


def test_aaaa_over_ipv6_is_told(tmp_path: Path) -> None:
    (finding,) = lookups(tmp_path, ends=V6)
    assert finding["facts"]["server"] == "fd00:96::a"


@pytest.mark.parametrize(
    "story",
    [{"answered": 1}, {"tries": 1}, {"other": False}, {"names": 1, "tries": 1}],
    ids=["answered once", "not repeated", "answers nothing", "one question"],
)
def test_lost_or_late_answers_is_silent(tmp_path: Path, story: dict[str, int]) -> None:
    assert lookups(tmp_path, **story) == []


def test_question_that_comes_again_much_later_is_silent(tmp_path: Path) -> None:
    """The client gave up; ten minutes later it asks anew, and the answer was lost again."""
    net = Network([POINT])
    for attempt in range(2):
        packets = [question("api.example.com", A, attempt + 1), question("api.example.com", AAAA, attempt + 1001)]
        for packet in (*packets, answer(packets[0])):
            net.at(net.now, POINT, packet)
            net.now += 1000
        net.now += 600 * SECOND
    assert of_story(net, tmp_path, "dns-type-unanswered") == []
