"""The house rules on imports: left may not import right, and only the edges touch the world.

`errors` is below everything; the package's own `__init__` names things lazily and is looked at like any other file.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "capnet"
ORDER = ["errors", "wire", "topology", "analyze", "report", "record", "scenario", "lab", "cli"]
LEVEL = {name: level for level, name in enumerate(ORDER)} | {"topology": ORDER.index("wire")}
EDGES = {"record", "scenario", "lab", "cli"}
WORLD = {
    "docker",
    "click",
    "socket",
    "subprocess",
    "time",
    "random",
    "secrets",
    "asyncio",
    "requests",
    "scapy",
    "pyshark",
}


def imports(file: Path) -> set[str]:
    """Every module that `file` imports anywhere, also inside functions; not what only type checkers read."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    only_types = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        for node in ast.walk(statement)
    }
    found: set[str] = set()
    for node in set(ast.walk(tree)) - only_types:
        if isinstance(node, ast.Import):
            found.update(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found.update(f"{node.module}.{each.name}" for each in node.names)
    return found


def part(module: str) -> str | None:
    """`capnet.wire.frames` → wire; None for `capnet` itself and everything that is not ours."""
    words = module.split(".")
    return words[1] if words[0] == "capnet" and len(words) > 1 and words[1] in LEVEL else None


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports(file):
    here = file.relative_to(ROOT).parts[0].removesuffix(".py")
    for module in imports(file):
        other = part(module)
        if here in LEVEL and other:
            assert LEVEL[other] <= LEVEL[here], f"{here} may not import {module}"
        if here not in EDGES:
            assert module.split(".")[0] not in WORLD, f"{module} belongs to the edges"


def test_every_part_has_its_place():
    """A new folder must be given a place in ORDER, or the test above would not look at it."""
    parts = {file.relative_to(ROOT).parts[0].removesuffix(".py") for file in FILES}
    assert parts - {"__init__", "__main__"} == set(ORDER)
