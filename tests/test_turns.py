"""Which cases a run plays by turns, and that nothing is left out for good."""

from __future__ import annotations

from pathlib import Path

import pytest

import capnet.analysis.findings.mtu_blackhole as finding
from tests.checkout import TURNS
from tests.turns import Case, chosen, names_of

SWEEP = "tests/report/test_a.py::test_sweep"
CASES = [Case(SWEEP, frozenset({f"capture-{number}"})) for number in range(10)]


def played(cases: list[Case], changed: list[str], turn: int) -> list[int]:
    return [number for number, is_played in enumerate(chosen(cases, changed, turn)) if is_played]


@pytest.mark.parametrize("first", range(TURNS))
def test_turns_in_a_row_play_every_case_once(first: int) -> None:
    turns = [played(CASES, [], turn) for turn in range(first, first + TURNS)]
    assert sorted(number for numbers in turns for number in numbers) == list(range(10))
    assert {len(numbers) for numbers in turns} == {2, 3}


def test_turns_of_other_tests_begin_elsewhere() -> None:
    """In one run some test meets each capture."""
    tests = [f"tests/report/test_a.py::test_{name}" for name in ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j")]
    cases = [Case(test, frozenset()) for test in tests for _ in range(TURNS)]
    for turn in range(TURNS):
        assert {number % TURNS for number in played(cases, [], turn)} == set(range(TURNS))


@pytest.mark.parametrize(
    "path",
    [
        "pcaps/capture-3.pcapng",
        "pcaps/faults/capture-3.topology.json",
        "capnet/analysis/findings/capture_3.py",
        "scenarios/capture_3.py",
    ],
)
def test_turn_adds_the_case_that_a_change_touches(path: str) -> None:
    for turn in range(TURNS):
        assert played(CASES, [path, "README.md"], turn) == sorted({3, *played(CASES, [], turn)})


def test_turns_are_over_where_the_test_has_changed() -> None:
    assert played(CASES, ["tests/report/test_a.py"], 0) == list(range(10))
    assert played(CASES, ["tests/report/test_ab.py"], 0) == played(CASES, [], 0)


def test_turns_are_over_where_a_named_file_has_changed() -> None:
    cases = [case._replace(because_of=("capnet/jit/*.py",)) for case in CASES]
    assert played(cases, ["capnet/jit/compiler.py"], 0) == list(range(10))
    assert played(cases, ["capnet/wire/walk.py"], 0) == played(CASES, [], 0)


def test_case_has_the_names_of_files_modules_and_words() -> None:
    values = (Path("pcaps/faults/a-b.pcapng"), [finding, "none"], 7)
    assert list(names_of(values)) == ["a-b", "mtu-blackhole", "none"]
