"""Clues of SYNs: each stands in the list of its folder and has tests in the file of its name."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType

import pytest

from capnet.analysis.facts.syns import refusals, unanswered
from capnet.analysis.facts.syns.refusals import refusal_clues
from capnet.analysis.facts.syns.unanswered import unanswered_clues
from capnet.analysis.facts.syns.unanswered.server import silent
from tests.conftest import PROJECT

SYNS = "capnet.analysis.facts.syns"


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
