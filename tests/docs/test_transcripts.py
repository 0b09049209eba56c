"""Commands in the tutorial and the how-to guides print what the page quotes, and the others are commands that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from capnet.cli import COMMANDS, cli
from tests.conftest import PROJECT
from tests.docs.transcripts import PAGES, blocks, commands, transcript

TRANSCRIPTS = [
    pytest.param(block, id=f"{page.relative_to(PROJECT / 'docs').with_suffix('')}-{at}")
    for page in PAGES
    for at, block in enumerate(blocks(page))
]
SHELL = [PROJECT / "README.md", PROJECT / "SECURITY.md", *sorted(PROJECT.glob("docs/**/*.md"))]


@pytest.mark.by_turns
@pytest.mark.parametrize("block", TRANSCRIPTS)
def test_quoted_output_is_what_the_command_prints(block: str) -> None:
    """Where this fails: python -m tests.docs.transcripts, and look at the difference."""
    assert block == transcript(block)
    assert "command not found" not in block  # a machine without the program would print it, and the page quote it


@pytest.mark.parametrize("page", ["tutorial", "zh/tutorial"])
def test_tutorial_shows_every_model(page: str) -> None:
    shown = " ".join(commands("".join(blocks(PROJECT / "docs" / f"{page}.md"))))
    for name in ("none", "host", "bridge", "container", "overlay", "macvlan", "ipvlan-l2", "ipvlan-l3"):
        assert f"pcaps/{name}.pcapng" in shown


def shell_lines(page: Path) -> list[str]:
    """Lines of the blocks marked ```sh, without their comments."""
    text = "".join(re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))
    return [re.sub(r"\s+#.*$", "", line) for line in text.splitlines()]


def capnet_calls(line: str) -> list[list[str]]:
    """The words of each call of capnet in a line, up to what ends a command."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words = list(lexer)
    calls: list[list[str]] = []
    is_inside = False
    for before, word in zip(["|", *words], words, strict=False):
        if word in ("capnet", ".venv/bin/capnet") and (before[0] in "|&;<>" or before in ("sudo", "A", "B")):
            calls.append([])
            is_inside = True
        elif word[0] in "|&;<>":
            is_inside = False
        elif is_inside:
            calls[-1].append(word)
    return calls


@pytest.mark.parametrize("page", SHELL, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_options_in_shell_lines_exist(page: Path) -> None:
    """Commands that need root or Docker are not run: their names and options are looked up."""
    for line in shell_lines(page):
        for words in capnet_calls(line):
            command: click.Command = cli
            for number, word in enumerate(words):
                if isinstance(command, click.Group) and not word.startswith("-"):
                    child = command.get_command(click.Context(command), word)
                    assert child is not None or (command is cli and word not in COMMANDS and "." in word), line
                    command = child or command
                elif word.startswith("-") and word != "-" and command.name not in ("exec", "shell"):
                    parameters = [*command.params, *cli.params]  # capnet's own hold for every command
                    known = {option for each in parameters for option in (*each.opts, *each.secondary_opts)}
                    assert word.partition("=")[0] in {*known, "--help", "-h"}, f"{page.name}: {line}: {word}"
                if command.name == "exec" and number > 2:
                    break


@pytest.mark.parametrize("name", ["python", "rows"])
def test_examples_in_python_run(name: str) -> None:
    (example,) = re.findall(
        r"^```python\n(import .*?)^```", (PROJECT / "docs" / f"{name}.md").read_text(), re.DOTALL | re.MULTILINE
    )
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout and not done.stderr
