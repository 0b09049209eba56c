"""The statements of a Python file, without what is inside expressions: a tenth of all that its tree holds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")  # of statements, handlers and cases


def parsed(file: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(file.read_text(encoding="utf-8"))


def statements(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Every statement with the node that holds it: functions, classes and imports among them, however deep."""
    parents = [tree]
    while parents:
        parent = parents.pop()
        for name in _BLOCKS:
            for child in getattr(parent, name, ()):
                yield child, parent
                parents.append(child)
