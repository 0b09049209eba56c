"""Clues: in which order functions are asked, and how several clues become one."""

from __future__ import annotations

import pytest

from capnet.analysis.core.context import Context
from capnet.analysis.engine import study
from capnet.analysis.facts.clues import Clue, Look, first_of, joined, together
from tests.conftest import PROJECT


@pytest.fixture
def context() -> Context:
    return study(PROJECT / "pcaps" / "bridge.pcapng").context


CAUSE, OTHER = Clue("mend it", "; it is broken", {"part": 1}), Clue("replace it", "; it is old", {"age": 2})


def asked(*clues: Clue | None) -> tuple[list[Look[str]], list[int]]:
    """Functions that give these clues, and the numbers of those that were called."""
    called: list[int] = []

    def look(number: int, clue: Clue | None, subject: str) -> Clue | None:
        assert subject == "SYNs"
        called.append(number)
        return clue

    return [
        lambda _, subject, number=number, clue=clue: look(number, clue, subject) for number, clue in enumerate(clues)
    ], called


def test_first_clue_that_holds_ends_the_search(context: Context) -> None:
    looks, called = asked(None, CAUSE, OTHER)
    assert first_of(*looks)(context, "SYNs") == CAUSE and called == [0, 1]
    assert first_of(*looks[:1])(context, "SYNs") is None


def test_clues_together_say_all_with_the_last_step(context: Context) -> None:
    looks, called = asked(CAUSE, None, OTHER)
    clue = together(*looks)(context, "SYNs")
    assert clue == Clue("replace it", "; it is broken; it is old", {"part": 1, "age": 2}) and called == [0, 1, 2]
    assert together(*looks[1:2])(context, "SYNs") is None


def test_clue_that_says_all_takes_the_place_of_others() -> None:
    clue = joined([CAUSE, OTHER._replace(says_all=True)])
    assert (clue.says, clue.says_all, clue.facts) == ("; it is old", True, {"part": 1, "age": 2})
