"""Which cases of a test that sweeps over captures a run plays: a quarter by turns, and those that a change touches.

A test, or a file of tests, asks for it with the mark `by_turns`; the mark may name patterns of files whose change plays
all of its cases. The turn is the number of commits, so four commits play all of them. It differs from test to test
which case comes first, so that a run meets every capture somewhere.

Turns are for the whole of `tests`. Where files, tests, `-k` or `--lf` are asked for, all their cases are played.
CAPNET_TURNS=all plays all of everything, CAPNET_TURNS=quarter goes by turns in any run.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from zlib import crc32

import pytest

from tests import checkout
from tests.checkout import TURNS

TOP = Path(__file__).parent.parent
SUMMARY = pytest.StashKey[str]()


class Case(NamedTuple):
    """A case of a test. `names`: of what it is about; `because_of`: patterns of files that it depends on as a whole."""

    test: str
    names: frozenset[str]
    because_of: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The path of the test, from the top of the checkout."""
        return self.test.partition("::")[0]


def chosen(cases: Sequence[Case], changed: Collection[str], turn: int) -> list[bool]:
    """Whether each case is played. `changed`: paths from the top of the checkout."""
    touched = {_name(path) for path in changed}
    counts: dict[str, int] = {}
    result = []
    for case in cases:
        number = counts.setdefault(case.test, crc32(case.test.encode()))
        counts[case.test] = number + 1
        result.append(
            number % TURNS == turn % TURNS
            or case.file in changed
            or bool(case.names & touched)
            or any(fnmatchcase(path, pattern) for path in changed for pattern in case.because_of)
        )
    return result


def names_of(value: Any) -> Iterable[str]:
    """The names of what a parameter of a test is: a file, a module, a text, or several of them."""
    if isinstance(value, Path | str):
        yield _name(str(value))
    elif isinstance(value, ModuleType):
        yield _name(value.__name__.rpartition(".")[2])
    elif isinstance(value, tuple | list):
        for each in value:
            yield from names_of(each)


def _name(path: str) -> str:
    """What files about one thing have in common: `pcaps/faults/a-b.topology.json` and `findings/a_b.py` are `a-b`."""
    return path.rpartition("/")[2].partition(".")[0].replace("_", "-")


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take the cases out of `items` that are not played in this run, and keep a line about it for its summary."""
    turn = checkout.commits() if _goes_by_turns(config) else None
    marked = [item for item in items if item.get_closest_marker("by_turns")]
    if turn is None or not marked:
        return
    cases = [_case(item) for item in marked]
    plays = chosen(cases, frozenset(checkout.changed_files()), turn)
    left_out = {id(item) for item, is_played in zip(marked, plays, strict=True) if not is_played}
    config.hook.pytest_deselected(items=[item for item in items if id(item) in left_out])
    items[:] = [item for item in items if id(item) not in left_out]
    tests = len({case.test for case in cases})
    config.stash[SUMMARY] = (
        f"by turns: {sum(plays):,} of {len(cases):,} cases of {tests} tests (turn {turn % TURNS + 1} of {TURNS}); "
        "CAPNET_TURNS=all plays all"
    )


def _goes_by_turns(config: pytest.Config) -> bool:
    """Whether this run plays by turns: as CAPNET_TURNS says, or if nothing less than all tests is asked for."""
    asked = os.environ.get("CAPNET_TURNS")
    if asked in ("all", "quarter"):
        return asked == "quarter"
    chosen_by_hand = config.option.keyword or config.option.markexpr or getattr(config.option, "lf", False)
    return not chosen_by_hand and is_whole(config)


def is_whole(config: pytest.Config) -> bool:
    """Whether the whole of `tests` is asked for, and no folder or file of it."""
    whole = {TOP / path for path in config.getini("testpaths")}
    return {config.invocation_params.dir / path for path in config.args} == whole


def _case(item: pytest.Item) -> Case:
    mark = item.get_closest_marker("by_turns")
    callspec = getattr(item, "callspec", None)
    test = f"{item.path.relative_to(TOP).as_posix()}::{getattr(item, 'originalname', item.name)}"
    if callspec is None:
        return Case(test, frozenset(), mark.args if mark else ())
    names = {name for value in callspec.params.values() for name in names_of(value)}
    return Case(test, frozenset({*names, _name(callspec.id)}), mark.args if mark else ())
