"""Help in Chinese: every command and option has it, with the same examples, and it fits the terminal."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from capnet import language
from capnet.cli import cli
from capnet.cli.chinese import drawings, scenario_titles
from capnet.cli.chinese.fault_sends import FAULT_SENDS
from capnet.cli.chinese.options import OPTIONS
from capnet.cli.chinese.pages import PAGES
from capnet.cli.chinese.scenario_bodies import SCENARIO_BODIES
from capnet.cli.chinese.scenario_pages import page
from capnet.cli.scenario_help import layout
from capnet.report.text import columns
from capnet.scenario import library

EXAMPLE = re.compile(r"^ *((?:sudo )?(?:capnet|tcpdump|tshark|printf) [^\n]*?)(?:  .*)?$", re.MULTILINE)
SCENARIOS = {*library.files(), *library.files("faults")}


def commands(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """(path, command) of every command but those of scenarios."""
    yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if path[:1] != ("scenario",) or name not in SCENARIOS:
                subcommand = command.get_command(context, name)
                assert subcommand is not None
                yield from commands(subcommand, (*path, name))


ALL = dict(commands())
every_command = pytest.mark.parametrize("path", ALL, ids=lambda path: path or "capnet")


def shown(*words: str) -> str:
    result = CliRunner().invoke(cli, ["--lang", "zh", *words, "--help"], standalone_mode=False, terminal_width=80)
    assert result.exception is None
    return result.stdout


def test_pages_are_those_of_the_commands() -> None:
    """`scenario fault all` has the page of its English help."""
    assert set(ALL) - set(PAGES) == {"scenario fault list", "scenario fault all"}
    assert set(PAGES) <= set(ALL)


@every_command
def test_every_option_has_chinese_help(path: str) -> None:
    for option in ALL[path].params:
        if isinstance(option, click.Option):
            assert option.help in OPTIONS, option.opts


@every_command
def test_page_has_the_examples_of_the_english_one(path: str) -> None:
    if path in PAGES:
        text = PAGES[path][1]
        assert [example for example in EXAMPLE.findall(ALL[path].help or "") if example.strip() not in text] == []
        assert first_words(text) == first_words(ALL[path].help or "")


def first_words(text: str) -> list[str]:
    """Of each line of the paragraphs that keep their lines."""
    paragraphs = [part for part in inspect.cleandoc(text).split("\n\n") if part.startswith("\b")]
    return [line.split()[0] for part in paragraphs for line in part.splitlines()[1:]]


@every_command
def test_help_is_chinese_and_fits_the_terminal(path: str) -> None:
    if path in PAGES:
        text = shown(*path.split())
        assert "用法：" in text and "选项：" in text and "[default" not in text
        whole = {line.strip() for line in PAGES[path][1].split("\n")}
        whole |= {line.strip() for line in text.split("\n") if line.startswith("  -")}  # names of options
        assert [line for line in text.split("\n") if columns(line) > 80 and line.strip() not in whole] == []


def test_every_scenario_and_fault_has_a_chinese_title() -> None:
    assert set(scenario_titles.SCENARIOS) == set(library.files())
    assert set(scenario_titles.FAULTS) == set(library.files("faults"))
    assert scenario_titles.FAULTS["routing-loop"] in CliRunner().invoke(cli, ["scenario", "list", "--lang=zh"]).stdout


def test_every_scenario_and_fault_has_a_chinese_page() -> None:
    assert set(SCENARIO_BODIES) == set(library.files())
    assert set(FAULT_SENDS) == set(library.files("faults"))


@pytest.mark.parametrize("name", SCENARIO_BODIES)
def test_scenario_page_has_the_names_of_the_english_one(name: str) -> None:
    """Addresses, ports, networks and containers; three heads, and drawings whose lines meet."""
    english = library.docstring(library.files()[name]).split("\n\n")
    body = SCENARIO_BODIES[name]
    assert re.findall(r"^\S+", body, re.MULTILINE) == ["建立", "发送", "抓包"]
    names = re.findall(r"[\w.:/]*\d[\w.:/]*\d|--[a-z]+|\bv?x?lan[A-Z0-9]\w*|\beth\d|`[^`]+`", english[2])
    assert len(names) > 2 and [word for word in names if word not in body] == []
    widths = [columns(line.rstrip()) for line in english[1].split("\n")]
    assert [columns(line.rstrip()) for line in drawings.in_chinese(english[1]).split("\n")][2:] == widths[2:]


def test_drawing_in_chinese_is_no_wider() -> None:
    assert [words for words, chinese in drawings.WORDS.items() if columns(chinese) > columns(words)] == []


@pytest.mark.parametrize("width", [50, 70, 120])
def test_scenario_page_fits_the_terminal(width: int) -> None:
    docstring = page("macvlan", library.docstring(library.files()["macvlan"]))
    with language.used("zh"):
        lines = list(layout(docstring, width))
    assert max(map(columns, lines)) <= width - 2
    assert ("│" in "".join(lines)) == (width == 120)


def test_help_in_english_is_as_before() -> None:
    assert "Usage:" in CliRunner().invoke(cli, ["analyze", "--help"]).stdout
