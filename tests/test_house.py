"""The house rules of CONTRIBUTING.md that a program can check: sizes, docstrings, types and names.

python -m tests.test_house capnet/wire     # what is not so below a folder
"""

from __future__ import annotations

import ast
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

from tests.syntax import parsed, statements

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted([*ROOT.glob("capnet/**/*.py"), *ROOT.glob("scenarios/**/*.py")])

MAX_FILES = 12  # of a folder, besides its __init__
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
MAX_KERNEL_LINES = 80
MAX_TEST_NAME = 60  # characters

# Folders whose files are entries of a list.
COLLECTIONS = {
    "capnet/wire/protocols",
    "capnet/analysis/findings",
    "capnet/analysis/findings/segments",
    "capnet/analysis/findings/unanswered",
    "capnet/cli",
    "scenarios",
    "scenarios/faults",
}

# Functions that the docstring of their module describes: a finding, a network model, a scenario, a fault.
DESCRIBED_BY_MODULE = {"diagnose", "judge", "run", "build", "send"}

# Names that say nothing about what they hold.
FILLERS = {"found", "known", "said", "told", "mine", "theirs", "here", "there", "some", "many", "again", "one", "two"}

# Words for persons, where a host, a program or a user is meant. /etc/passwd has a user nobody.
PERSONS = re.compile(r"(?<!/)\b(?:nobody|somebody|someone|whoever|everybody|anybody)\b(?!:)", re.IGNORECASE)

# With an underscore, but documented: of NamedTuple, and what notebooks ask for.
PUBLIC_ALL_THE_SAME = {"_replace", "_asdict", "_fields", "_make", "_field_defaults"}
PUBLIC_ALL_THE_SAME |= {"_repr_html_", "_ipython_key_completions_"}  # notebooks ask for them

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[tuple[Function, ast.AST]]:
    """Every function with the node that holds it."""
    for child, parent in statements(tree):
        if isinstance(child, Function):
            yield child, parent


def is_public(function: Function, parent: ast.AST) -> bool:
    """Is it named in a module or in a class for others to call?"""
    if isinstance(parent, ast.ClassDef) and parent.name.startswith("_"):
        return False
    return isinstance(parent, ast.Module | ast.ClassDef) and not function.name.startswith("_")


def is_kernel(function: Function) -> bool:
    return any(ast.unparse(decorator) in ("kernel", "inline") for decorator in function.decorator_list)


def lines(node: Function) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


def large_folders() -> Iterator[str]:
    counts = Counter(file.parent for file in SOURCES if file.name != "__init__.py")
    for folder, count in sorted(counts.items()):
        name = folder.relative_to(ROOT).as_posix()
        if count > MAX_FILES and name not in COLLECTIONS:
            yield f"{name}: {count} files"


def long_code(file: Path, tree: ast.AST, name: str) -> Iterator[str]:
    count = len(file.read_text(encoding="utf-8").splitlines())
    if count > MAX_FILE_LINES:
        yield f"{name}: {count} lines"
    for function, _ in functions(tree):
        limit = MAX_KERNEL_LINES if is_kernel(function) else MAX_FUNCTION_LINES
        if lines(function) > limit:
            yield f"{name}:{function.lineno} {function.name}: {lines(function)} lines"


def missing_docstrings(tree: ast.Module, name: str) -> Iterator[str]:
    if tree.body and not ast.get_docstring(tree):
        yield f"{name}: no docstring"
    for function, parent in functions(tree):
        described = function.name in DESCRIBED_BY_MODULE
        if is_public(function, parent) and not described and not ast.get_docstring(function):
            yield f"{name}:{function.lineno} {function.name}: no docstring"


def bare_types(tree: ast.AST, name: str) -> Iterator[str]:
    for function, parent in functions(tree):
        if not is_public(function, parent):
            continue
        arguments = function.args
        annotations = [each.annotation for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        texts = [ast.unparse(each) for each in (*annotations, function.returns) if each]
        if any("np.ndarray" in text for text in texts):
            yield f"{name}:{function.lineno} {function.name}: np.ndarray in its signature"


def filler_names(tree: ast.AST, name: str) -> Iterator[str]:
    if name.startswith("scenarios/ipvlan"):
        return  # its containers are called one and two
    fields = {node.target for node, _ in statements(tree) if isinstance(node, ast.AnnAssign)}  # some are keys of JSON
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in FILLERS and node not in fields:
            yield f"{name}:{node.lineno} variable {node.id}"
        if isinstance(node, ast.arg) and node.arg in FILLERS:
            yield f"{name}:{node.lineno} parameter {node.arg}"


def words_for_persons(tree: ast.Module, file: Path, name: str) -> Iterator[str]:
    """In docstrings and comments: texts that people see are compared by other tests."""
    if not PERSONS.search(file.read_text(encoding="utf-8")):
        return
    nodes = [tree, *(node for node, _ in statements(tree) if isinstance(node, Function | ast.ClassDef))]
    texts = [(getattr(node, "lineno", 1), ast.get_docstring(node) or "") for node in nodes]
    with file.open("rb") as source:
        tokens = tokenize.tokenize(source.readline)
        texts += [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]
    for line, text in texts:
        for word in PERSONS.findall(text):
            yield f"{name}:{line} {word}: say which host, program or user"


def violations(below: str = "") -> list[str]:
    """Everything that is not so in files whose path begins with `below`."""
    result = [each for each in large_folders() if each.startswith(below)]
    for file in SOURCES:
        name = file.relative_to(ROOT).as_posix()
        if name.startswith(below):
            tree = parsed(file)
            result += [
                *long_code(file, tree, name),
                *missing_docstrings(tree, name),
                *bare_types(tree, name),
                *filler_names(tree, name),
                *words_for_persons(tree, file, name),
            ]
    return result


def repeated_class_names() -> list[str]:
    """Public names that two classes have: one word is one thing."""
    files: dict[str, list[str]] = {}
    for file in SOURCES:
        for node, _ in statements(parsed(file)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                files.setdefault(node.name, []).append(file.relative_to(ROOT).as_posix())
    return [f"{name}: {', '.join(places)}" for name, places in sorted(files.items()) if len(places) > 1]


def long_test_names() -> list[str]:
    names = []
    for file in sorted(ROOT.glob("tests/**/test_*.py")):
        for function, _ in functions(parsed(file)):
            if function.name.startswith("test_") and len(function.name) > MAX_TEST_NAME:
                names.append(f"{file.relative_to(ROOT).as_posix()}:{function.lineno} {function.name}")
    return names


def is_text(node: ast.expr) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def private_names() -> list[str]:
    """Private names of capnet that tests use: a change inside would fail them."""
    names = []
    for file in sorted(ROOT.glob("tests/**/*.py")):
        path = file.relative_to(ROOT).as_posix()
        for node in ast.walk(parsed(file)):
            used: list[str] = []
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("capnet"):
                used = [alias.name for alias in node.names]
            elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
                used = [node.attr] if ast.unparse(node.value) not in ("self", "cls") else []
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "monkeypatch.setattr":
                used = [text.value.rpartition(".")[2] for text in node.args[:2] if is_text(text)]
            names += [
                f"{path}:{getattr(node, 'lineno', 0)} {name}"
                for name in used
                if re.match(r"_[A-Za-z]", name) and name not in PUBLIC_ALL_THE_SAME
            ]
    return names


def test_code_keeps_the_house_rules() -> None:
    assert not violations(), "\n".join(violations())


def test_no_two_classes_share_a_name() -> None:
    assert not repeated_class_names(), "\n".join(repeated_class_names())


def test_names_of_tests_are_short() -> None:
    assert not long_test_names(), "\n".join(long_test_names())


def test_tests_use_no_private_names() -> None:
    assert not private_names(), "\n".join(private_names())


if __name__ == "__main__":
    print(
        *violations(*sys.argv[1:2]),
        *([] if sys.argv[1:] else repeated_class_names() + long_test_names() + private_names()),
        sep="\n",
    )
