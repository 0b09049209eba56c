"""The metadata of the project, and which packages it imports where."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

from tests.conftest import PROJECT

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES = sorted([*PROJECT.glob("capnet/**/*.py"), *PROJECT.glob("scenarios/**/*.py")])

# Packages that take long to load, and that most commands do not need: imported inside the function that uses them.
HEAVY = {"docker", "numba", "llvmlite", "pyshark", "scapy", "tabulate"}


def imported_at_the_top(file: Path) -> set[str]:
    """Packages whose import runs when the module is loaded."""
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


def test_metadata_says_what_an_index_shows() -> None:
    project = PYPROJECT["project"]
    assert project["license"] == "MIT" and (PROJECT / project["license-files"][0]).is_file()
    assert project["authors"] and project["urls"] and project["keywords"]
    kinds = {classifier.partition(" :: ")[0] for classifier in project["classifiers"]}
    assert {"Development Status", "Environment", "Intended Audience", "Operating System", "Topic", "Typing"} <= kinds
    assert not any(classifier.startswith("License ::") for classifier in project["classifiers"])  # PEP 639


def test_heavy_packages_are_imported_where_used() -> None:
    """`capnet analyze` must not wait for Docker, and reading a capture needs no scapy."""
    loaded = {file.relative_to(PROJECT).as_posix(): imported_at_the_top(file) & HEAVY for file in SOURCES}
    assert {name: packages for name, packages in loaded.items() if packages} == {}


def test_folders_of_the_wheel_exist() -> None:
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    for source in [*wheel["force-include"], *wheel["shared-data"]]:
        assert (PROJECT / source).exists(), source
