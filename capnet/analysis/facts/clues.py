"""Clues: what tells why something fails, in words, and what to do next.

A clue is a function that asks one thing about what fails, and gives a `Clue` where it holds, else None. Functions of
this module put clues in an order. Where they are many, each is the function `clue` of a module of its own, in the list
`syns.unanswered.unanswered_clues` of SYNs that nothing answers, or `syns.refusals.refusal_clues` of refused ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from capnet.analysis.core.context import Context
from capnet.quick_tuple import NamedTuple

NO_FACTS: Mapping[str, object] = MappingProxyType({})


class Clue(NamedTuple):
    """Something that tells why."""

    fix: str  # the next step
    says: str = ""  # a sentence, or its end
    facts: Mapping[str, object] = NO_FACTS  # for programs
    says_all: bool = False  # what the sentence says before need not be said


Subject = TypeVar("Subject")
Look = Callable[[Context, Subject], Clue | None]


def first_of(*looks: Look[Subject]) -> Look[Subject]:
    """A look that gives the first clue of these that holds; those behind it are not asked."""

    def look(context: Context, subject: Subject) -> Clue | None:
        clues = (each(context, subject) for each in looks)
        return next((clue for clue in clues if clue), None)

    return look


def together(*looks: Look[Subject]) -> Look[Subject]:
    """A look that gives all clues of these that hold, as one: the next step is that of the last."""

    def look(context: Context, subject: Subject) -> Clue | None:
        clues = clues_of(looks, context, subject)
        return joined(clues) if clues else None

    return look


def clues_of(looks: Sequence[Look[Subject]], context: Context, subject: Subject) -> list[Clue]:
    """The clues that hold, in order."""
    return [clue for look in looks if (clue := look(context, subject))]


def joined(clues: Sequence[Clue]) -> Clue:
    """One clue that says what all of these say, with the next step of the last."""
    says, facts = "", dict[str, object]()
    for clue in clues:
        says = clue.says if clue.says_all else says + clue.says
        facts |= clue.facts
    return Clue(clues[-1].fix, says, facts, any(clue.says_all for clue in clues))
