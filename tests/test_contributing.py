"""CONTRIBUTING.md stays true: its files exist, and its worked examples are what the files say."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.conftest import PROJECT

TEXT = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FOLDERS = ("capnet", "scenarios", "pcaps", "tests", "docs")


def section(title: str) -> str:
    """The text of one of the sections on how to add a thing."""
    return re.split(r"^###? ", TEXT, flags=re.MULTILINE)[headings().index(title)]


def headings() -> list[str]:
    return [part.partition("\n")[0] for part in re.split(r"^###? ", TEXT, flags=re.MULTILINE)]


def test_files_that_contributing_names_exist() -> None:
    """NAME stands for what is added."""
    named = set(re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]+)`", TEXT))
    assert len(named) > 10
    assert [name for name in sorted(named) if "NAME" not in name and not (PROJECT / name).exists()] == []


@pytest.mark.parametrize(
    ("title", "file"),
    [
        ("A finding", "capnet/analysis/findings/routing_loop.py"),
        ("A report format", "capnet/report/formats/markdown.py"),
    ],
)
def test_worked_example_is_what_its_file_says(title: str, file: str) -> None:
    """Constants and signatures of the example stand in the file, but for comments."""
    example = examples(title)[0]
    shown = [code(line) for line in example.splitlines() if re.match(r"\s*(?:[A-Z]+ = (?!Text)|def )", line)]
    source = {code(line) for line in (PROJECT / file).read_text(encoding="utf-8").splitlines()}
    assert len(shown) >= 3
    assert [line for line in shown if line not in source] == []


def examples(title: str) -> list[str]:
    return [dedent(text) for text in re.findall(r"```python\n(.*?)```", section(title), re.DOTALL)]


def test_worked_example_of_a_story_passes(tmp_path: Path) -> None:
    _, story = examples("A finding")
    names: dict[str, Any] = {}
    exec(story, names)
    tests = [name for name in names if name.startswith("test_")]
    assert [name.rpartition("_")[2] for name in tests] == ["told", "silent"]
    for name in tests:
        names[name](tmp_path)


def code(line: str) -> str:
    """A line without its comment, and without the body of a function that is left out."""
    return line.partition("  # ")[0].removesuffix(" ...").strip()


def test_worked_example_of_a_protocol_is_what_its_file_says() -> None:
    source = (PROJECT / "capnet" / "wire" / "protocols" / "gtpu.py").read_text(encoding="utf-8")
    text = section("A protocol")
    for name in ("TUNNEL_GTPU", "KIND", "is_gtpu", "gtpu"):
        assert f"{name}" in text and re.search(rf"^(def {name}\(|{name} = )", source, re.MULTILINE), name
    assert 'TunnelKind(name="gtpu", number=TUNNEL_GTPU, title="GTP-U"' in text
    for word in ('name="gtpu"', "number=TUNNEL_GTPU", 'title="GTP-U"'):
        assert word in source


def test_worked_example_of_a_scenario_is_what_its_file_says() -> None:
    source = (PROJECT / "scenarios" / "bridge_internal.py").read_text(encoding="utf-8")
    text = section("A scenario")
    for name in ("NEEDS_PEER", "NEIGHBOUR", "run(session", "check_"):
        assert name in text and name in source
