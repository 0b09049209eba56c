"""The messages that the code can print, read from its source: errors and lines of progress, with `{}` for each value.

`f"{path}: no permission"` has the shape `{}: no permission`; a conditional text has one shape for each of its ends.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What only a wrong program raises, or what is caught where it is raised; tests of containers
# are read by programmers, what `capnet mcp` answers by agents.
NOT_SHOWN = {
    "AttributeError", "AssertionError", "FrozenInstanceError", "KeyError", "KeyboardInterrupt", "LookupError",
    "NotObserved", "StopIteration", "SystemExit", "TypeError",
}  # fmt: skip
NOT_SHOWN_IN = ("jit", "mcp", "testing", "quick_dataclass.py", "quick_tuple.py", "__init__.py", "pytest_plugin.py")
ERRORS = {
    "CapnetError",
    "EnvironmentLacks",
    "RefusedQuery",
    "ScenarioFailed",
    "UnreadableInput",
    "Unrecognised",
    "UsageError",
}
SAYING = {
    "echo",
    "say",
    "_say",
    "_progress",
    "progress",
    "fail",
    "message",
    "next",
    "not_seen",
    "note",
    "put",
}  # `next`: the error at the end of input

FRAMES = {"capnet: {}", "lab: {}", "root"}  # who says it, before a message; a name
# Called with this argument: what doctor, the compiler, and readers of damaged files say.
NOTES = {"Check": 3, "Play": 2, "Problem": 2, "_missing": 3, "_report": 1, "tell": 0}


def shapes(node: ast.expr) -> list[str]:
    """What the text may be; `{}` for what is not written there."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=values):
            return ["".join(parts) for parts in product(*map(shapes, values))]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return ["".join(parts) for parts in product(shapes(left), shapes(right))]
        case ast.IfExp(body=body, orelse=orelse):
            return [*shapes(body), *shapes(orelse)]
        case _:
            return ["{}"]


def messages() -> Iterator[tuple[str, str]]:
    """(place, shape) of every message of the package."""
    for path in sorted((ROOT / "capnet").rglob("*.py")):
        inside = path.relative_to(ROOT / "capnet")
        if inside.parts[0] not in NOT_SHOWN_IN and "chinese" not in inside.parts:
            yield from ((f"{inside}:{line}", shape) for line, shape in shapes_of(path.read_text()))


def shapes_of(code: str) -> Iterator[tuple[int, str]]:
    """(line, shape) of every message of some code; values side by side are one `{}`."""
    for node in ast.walk(ast.parse(code)):
        for text in _texts(node):
            for shape in shapes(text):
                shape = re.sub(r"(\{\})+", "{}", re.sub(r"\{\}(?=[a-z])", "", shape))
                if re.search("[a-z]{2}", shape) and shape not in FRAMES:
                    yield text.lineno, shape


def _texts(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and _name(node.exc) not in NOT_SHOWN | ERRORS:
        return node.exc.args
    if isinstance(node, ast.Call) and _name(node) in ERRORS:
        return node.args
    if isinstance(node, ast.Call) and _name(node) in SAYING:
        texts = node.args[:1]
    elif isinstance(node, ast.Call) and _name(node) in NOTES:
        texts = node.args[NOTES[_name(node)] :][:1]
    else:
        texts = []
    return [text.args[0] if isinstance(text, ast.Call) and _name(text) == "message" else text for text in texts]


def _name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call():
            return _name(call.func)
    return ""
