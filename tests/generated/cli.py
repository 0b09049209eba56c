"""docs/cli.md: every command with its help and its options, in the words of `--help`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import NamedTuple

import click

from capnet.cli import cli
from capnet.errors import Exit
from capnet.scenario import library
from capnet.scenario.faults import library as faults

HEAD = """# Commands

<!-- Made from the help texts of the commands by `python -m tests.generated`: do not edit. -->
"""


EXITS = {
    Exit.OK: "Nothing failed.",
    Exit.FINDING: "A finding at or above `--fail-on`; a scenario that failed; `lab status` of a lab that is not up.",
    Exit.USAGE: "Wrong usage.",
    Exit.UNREADABLE: "An input cannot be read at all.",
    Exit.LACKS: "The environment lacks something, such as space on a disk; the message says what, and how to get it.",
    Exit.INTERRUPTED: "Interrupted, after a complete clean-up.",
}

PLAYS = {
    "scenario": "Plays one scenario. [Scenarios](scenarios.md) says what each of them does and shows.",
    "fault": "Plays one fault. [Findings](findings.md#faults) says what breaks each of them, and what names it.",
}


class PageWords(NamedTuple):
    """What the page says beside the help texts, in its language."""

    head: str
    plays: dict[str, str]  # by the group: what its commands NAME do
    columns: str  # the heading of the tables of options
    exits: str  # the heading of the exit codes, and that of their table
    codes: dict[Exit, str]


ENGLISH = PageWords(HEAD, PLAYS, "| option | meaning | default |", "## Exit codes\n\n| code | meaning |", EXITS)

# Groups with one command for each scenario or fault; all of a group have the same options.
PLAYED_BY_NAME = {("capnet", "scenario"): library.files, ("capnet", "scenario", "fault"): faults.files}


def cli_page() -> str:
    """The page, a section for each command in the order of `capnet --help`."""
    return commands_page(cli, ENGLISH)


def commands_page(group: click.Command, words: PageWords) -> str:
    """The page of `group`, which has the help of its language."""
    sections = "".join(_section(path, command, words) for path, command in _commands(group, ("capnet",)))
    codes = "".join(f"| {code} | {words.codes[code]} |\n" for code in Exit)
    return f"{words.head}{sections}\n{words.exits}\n|---|---|\n{codes}"


def _commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if name in PLAYED_BY_NAME.get(path, list)():
                continue
            child = command.get_command(context, name)
            assert child is not None
            yield from _commands(child, (*path, name))
        if played := list(PLAYED_BY_NAME.get(path, list)()):
            child = command.get_command(context, played[0])
            assert child is not None
            yield (*path, "NAME"), child


def _section(path: tuple[str, ...], command: click.Command, words: PageWords) -> str:
    options = [each for each in command.params if isinstance(each, click.Option)]
    lines = ["", f"{'#' * (1 + len(path))} {' '.join(path)}", "", f"    {usage(path, command)}", ""]
    if path[-1] == "NAME":
        lines += [words.plays[path[-2]], ""]
    else:
        lines += ["```text", *inspect.cleandoc(command.help or "").replace("\b\n", "").splitlines(), "```", ""]
    if options:
        lines += [words.columns, "|---|---|---|", *map(_option, options)]
    return "\n".join(lines).rstrip() + "\n"


def usage(path: tuple[str, ...], command: click.Command) -> str:
    """The line of usage: `capnet packet [OPTIONS] FILE N`."""
    arguments = " ".join(filter(None, map(_argument, command.params)))
    options = [each for each in command.params if isinstance(each, click.Option)]
    command_name = ["COMMAND …"] * isinstance(command, click.Group)
    return " ".join([*path, *["[OPTIONS]"] * bool(options), *[arguments] * bool(arguments), *command_name])


def _argument(argument: click.Parameter) -> str:
    """Empty for an option, and for an argument that the metavar of the one before it names."""
    if not isinstance(argument, click.Argument):
        return ""
    if isinstance(argument.type, click.Choice):
        return "|".join(argument.type.choices)
    return str(argument.name).upper() if argument.metavar is None else argument.metavar


def _option(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if isinstance(option.type, click.Choice):
        names += " " + "\\|".join(option.type.choices)
    elif not option.is_flag:
        names += f" {option.metavar or option.type.name.upper()}".replace("|", "\\|")
    default = f"`{option.default}`" if option.show_default and option.default is not None and not option.is_flag else ""
    return f"| {names} | {' '.join((option.help or '').split())} | {default} |"
