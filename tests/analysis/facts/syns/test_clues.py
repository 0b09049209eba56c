"""Clues: every one stands in the list of its folder, has tests of its name, and lists are asked in order."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType

import pytest

from capnet.analysis.core.context import Context
from capnet.analysis.engine import study
from capnet.analysis.facts.syns import refusals, unanswered
from capnet.analysis.facts.syns.clues import Clue, Look, first_of, joined, together
from capnet.analysis.facts.syns.refusals import refusal_clues
from capnet.analysis.facts.syns.unanswered import unanswered_clues
from capnet.analysis.facts.syns.unanswered.server import silent
from tests.conftest import PROJECT

SYNS = "capnet.analysis.facts.syns"


@pytest.fixture
def context() -> Context:
    return study(PROJECT / "pcaps" / "bridge.pcapng").context


def clue_modules(package: ModuleType) -> list[ModuleType]:
    """The modules below a package that have a function `clue`."""
    names = [entry.name for entry in walk_packages(package.__path__, f"{package.__name__}.")]
    return [module for module in map(import_module, names) if hasattr(module, "clue")]


@pytest.mark.parametrize("module", [*clue_modules(unanswered), *clue_modules(refusals)], ids=lambda m: m.__name__)
def test_clue_has_tests_beside_its_name(module: ModuleType) -> None:
    *folders, name = module.__name__.removeprefix(f"{SYNS}.").split(".")
    file = Path(__file__).parent.joinpath(*folders, f"test_{name}.py")
    assert file.is_file(), f"write {file.relative_to(PROJECT)}"
    tests = re.findall(r"^def (test_\w+)\(", file.read_text(encoding="utf-8"), re.MULTILINE)
    assert any(test.endswith("_told") for test in tests) and any(test.endswith("_silent") for test in tests)


def test_clue_of_the_folder_is_listed() -> None:
    listed = [*unanswered_clues.CLUES, silent.clue]
    assert {module.clue for module in clue_modules(unanswered)} == set(listed)
    assert len(set(listed)) == len(listed) and set(unanswered_clues.DIFFERENCES) < set(listed)
    assert {module.__name__ for module in clue_modules(refusals)} <= {
        getattr(value, "__name__", "") for value in vars(refusal_clues).values()
    }


CAUSE, OTHER = Clue("mend it", "; it is broken", {"part": 1}), Clue("replace it", "; it is old", {"age": 2})


def asked(*clues: Clue | None) -> tuple[list[Look[str]], list[int]]:
    """Functions that give these clues, and the numbers of those that were called."""
    called: list[int] = []

    def look(number: int, clue: Clue | None, connections: str) -> Clue | None:
        assert connections == "SYNs"
        called.append(number)
        return clue

    return [
        lambda _, connections, number=number, clue=clue: look(number, clue, connections)
        for number, clue in enumerate(clues)
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
