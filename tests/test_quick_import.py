"""capnet.quick_import finds and loads modules as Python does."""

from __future__ import annotations

import json
import os
import py_compile
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

import pytest

from capnet.quick_import import Finder
from tests.conftest import PROJECT

# What Python knows of each module after a report. The second argument says whether this finds them.
MODULES = """
import json, sys
if sys.argv[1] == "quick":
    from capnet import quick_import
    quick_import.install()
import click
from capnet import analyze
analyze("pcaps/bridge.pcapng").to_json()
ours = {
    name: module for name, module in sys.modules.items()
    if name.startswith(("capnet.", "numpy.", "click.")) and "Extension" not in type(module.__loader__).__name__
}
print(json.dumps({
    name: [module.__file__, module.__cached__, module.__package__, list(getattr(module, "__path__", [])),
           module.__spec__.origin, module.__spec__.has_location, module.__spec__.parent]
    for name, module in ours.items() if name != "capnet.quick_import"
}))
print(sum("quick_import" in type(module.__loader__).__module__ for module in ours.values()))
"""


def modules(how: str) -> tuple[dict[str, list[object]], int]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", MODULES, how]
    out = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True).stdout
    known, count = out.splitlines()
    return json.loads(known), int(count)


def test_modules_are_as_python_finds_them() -> None:
    quick, found = modules("quick")
    plain, none = modules("plain")
    assert quick == plain
    assert (found, none) == (len(quick), 0)


def load(folder: Path, name: str = "capnet.part") -> ModuleType:
    spec = Finder().find_spec(name, [str(folder)])
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A module with bytecode."""
    file = tmp_path / "part.py"
    file.write_text("VALUE = 1\n")
    py_compile.compile(str(file), doraise=True)
    return file


def test_bytecode_is_used(source: Path) -> None:
    """The source cannot be compiled, but has the time and size that the bytecode is of."""
    status = source.stat()
    source.write_text("VALUE ! 1\n")
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert load(source.parent).VALUE == 1


def test_bytecode_older_than_source_is_not_used(source: Path) -> None:
    source.write_text("VALUE = 2\n")
    os.utime(source, (1, 1))
    assert load(source.parent).VALUE == 2


@pytest.mark.parametrize("content", [b"", b"\0" * 20, None], ids=["empty", "of another Python", "none"])
def test_bytecode_unusable_is_left_to_python(source: Path, content: bytes | None) -> None:
    (bytecode,) = (source.parent / "__pycache__").iterdir()
    bytecode.unlink()
    if content is not None:
        bytecode.write_bytes(content)
    assert load(source.parent).VALUE == 1


def test_bytecode_checked_by_hash_is_left_to_python(source: Path) -> None:
    py_compile.compile(str(source), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    source.write_text("VALUE = 3\n")
    assert load(source.parent).VALUE == 3


def test_bytecode_of_another_path_names_the_source(source: Path) -> None:
    """`python -m compileall FOLDER` writes relative paths; kernels whose source is not found are compiled again."""
    source.write_text("def one():\n    return 1\n")
    py_compile.compile(str(source), dfile="part.py", doraise=True)
    assert load(source.parent).one.__code__.co_filename == str(source)


def test_package_has_a_path(tmp_path: Path) -> None:
    package = tmp_path / "part"
    package.mkdir()
    assert Finder().find_spec("capnet.part", [str(tmp_path)]) is None  # a folder of data, or a namespace
    (package / "__init__.py").write_text("VALUE = 4\n")
    module = load(tmp_path)
    assert (module.VALUE, list(module.__path__)) == (4, [str(package)])


def test_extension_module_is_left_to_python(source: Path) -> None:
    (source.parent / f"part{EXTENSION_SUFFIXES[0]}").touch()
    assert Finder().find_spec("capnet.part", [str(source.parent)]) is None


@pytest.mark.parametrize(("name", "path"), [("capnet.other", []), ("other.part", ["."]), ("capnet", None)])
def test_what_is_not_ours_is_left_to_others(name: str, path: list[str] | None, tmp_path: Path) -> None:
    (tmp_path / "part.py").touch()
    assert Finder().find_spec(name, path and [str(tmp_path)]) is None
    assert Finder().find_spec("capnet.part", [str(tmp_path / "missing")]) is None
