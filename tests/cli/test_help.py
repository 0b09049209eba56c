"""Help is complete, and asking for it costs nothing."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from capnet.cli import COMMANDS, cli
from capnet.cli.scenario_help import layout
from capnet.report.text import columns
from capnet.scenario import library

HEAVY = ("numpy", "numba", "docker", "scapy", "pyshark", "tabulate", "dask")


def commands(command: click.Command = cli, path: tuple[str, ...] = ()):
    """(path, command) for every command, nested ones too."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            subcommand = command.get_command(context, name)
            assert subcommand is not None, name
            yield from commands(subcommand, (*path, name))


ALL = dict(commands())


def test_help_lists_every_command():
    assert {path[0] for path in ALL if path} == set(COMMANDS)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [80, 100])
def test_first_page_fits_a_screen_and_has_each_command(width, lang):
    """Of 30 lines, one is the prompt. Each command stands there once, in a group or in the line of others."""
    text = CliRunner().invoke(cli, ["--help", "--lang", lang], terminal_width=width).output
    assert len(text.splitlines()) < 30
    assert "..." not in text.partition("\n")[2]
    listed = re.findall(r"^  ([a-z]+)  ", text, re.MULTILINE)
    more = next(line for line in text.splitlines() if line.startswith(("More: ", "其他：")))
    assert sorted([*listed, *re.findall(r"[a-z]{3,}", more.lower().removeprefix("more"))]) == sorted(COMMANDS)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_of_every_command_and_option_exists(path):
    command = ALL[path]
    assert (command.help or "").strip(), "no docstring"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts[0]} has no help"


def test_help_names_every_section():
    from capnet.analysis.core.contract.report import SECTIONS

    only = next(each for each in ALL[("analyze",)].params if each.name == "only")
    assert ", ".join(SECTIONS) in only.help


@pytest.mark.parametrize("name", library.files())
def test_scenario_help_is_docstring_of_its_file(name):
    docstring = library.load(name).__doc__
    assert "\n".join(layout(docstring.strip(), None)) == docstring.strip()


@pytest.mark.parametrize("name", library.files())
def test_scenario_help_on_narrow_terminal_keeps_words(name):
    docstring = library.load(name).__doc__.strip()
    title, drawing, text = docstring.split("\n\n")
    widest = max(map(len, drawing.split("\n")))
    lines = list(layout(docstring, 40))
    assert max(map(len, lines)) <= 38
    left_out = f"(The drawing is left out: it takes {widest + 2} columns.)"
    assert " ".join(lines).split() == f"{title} {left_out} {text}".split()
    assert len(list(layout(docstring, widest + 2))) > len(drawing.split("\n"))


@pytest.mark.parametrize("words", [["--help"], ["analyze", "--help"], ["packet", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(words):
    program = (
        "import sys; from capnet.cli import cli\n"
        f"try: cli.main({words!r})\n"
        "except SystemExit: pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "[]\n"


def test_open_capture_loads_no_edge_module(tmp_path):
    program = (
        "import sys; from capnet import open_capture\n"
        "with open_capture('tests/made/vxlan.pcap') as capture: assert sum(map(len, capture.blocks()))\n"
        "print(sorted({'docker', 'scapy', 'pyshark', 'click', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [80, 100])
def test_help_fits_the_terminal(width, lang):
    """No line is wider, but for a command to copy or a drawing; what a subcommand does is not cut."""
    lines = []
    for path in [path for path in ALL if path[:1] != ("scenario",) or path[-1] in ("scenario", "list", "fault", "all")]:
        help_text = CliRunner().invoke(cli, [*path, "--help", "--lang", lang], terminal_width=width).output
        lines += [(path, line) for line in help_text.splitlines()]
    wide = [line for path, line in lines if columns(line) > width and not line.startswith("  capnet ")]
    assert wide == []
    assert [line for _, line in lines if line.endswith("...") and not line.startswith(("Usage", "用法"))] == []
    copied = [line for _, line in lines if columns(line) > width]
    assert all("   " not in line.strip() for line in copied), "what stands right of a command is wrapped"
