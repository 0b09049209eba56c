"""Programs inside User-Mode Linux are started by the names of their modules, which stand in strings."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import PROJECT

NAMES = sorted(
    {
        name
        for file in (PROJECT / "capnet" / "lab").rglob("*.py")
        for name in re.findall(r'python_program\("([\w.]+)"\)', file.read_text(encoding="utf-8"))
    }
)


def test_programs_of_the_second_kernel_are_started_by_name() -> None:
    assert {name.rpartition(".")[2] for name in NAMES} >= {"agent", "supervisor", "runner"}


@pytest.mark.parametrize("name", NAMES)
def test_started_program_is_a_module_with_main(name: str) -> None:
    """runpy runs a package by its `__main__`."""
    spec = find_spec(name)
    if spec is not None and spec.submodule_search_locations:
        spec = find_spec(f"{name}.__main__")
    assert spec is not None and spec.origin is not None
    text = Path(spec.origin).read_text(encoding="utf-8")
    assert 'if __name__ == "__main__":' in text or spec.name.endswith("__main__")
