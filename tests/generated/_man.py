"""docs/man: capnet.1 and a man page for each command, from the help texts of the commands.

The wheel installs them below share/man/man1, where `man` finds them beside the program.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from capnet import __version__
from capnet.cli import cli
from capnet.errors import Exit
from tests.generated import DOCS
from tests.generated.cli import EXITS, PLAYED_BY_NAME, usage

MAN_FOLDER = DOCS / "man"


def man_pages() -> dict[str, str]:
    """File name → page, one for each command of `capnet --help` and one for capnet itself."""
    context = click.Context(cli)
    commands = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    pages = {"capnet.1": _page(("capnet",), cli, [f"capnet-{name}" for name in sorted(commands)])}
    for name, command in commands.items():
        assert command is not None
        pages[f"capnet-{name}.1"] = _page(("capnet", name), command, ["capnet"])
    return pages


def _page(path: tuple[str, ...], command: click.Command, see_also: list[str]) -> str:
    name = "-".join(path)
    lines = [
        f'.TH "{name.upper()}" "1" "" "capnet {__version__}" "capnet"',
        ".SH NAME",
        f"{_escaped(name)} \\- {_escaped(_summary(command))}",
        ".SH SYNOPSIS",
        f"\\fB{_escaped(' '.join(path))}\\fR {_escaped(_arguments(path, command))}",
        ".SH DESCRIPTION",
        *_text(command.help or ""),
        *_options(command, ".SH OPTIONS"),
        *_subcommands(path, command),
        ".SH EXIT STATUS",
        *(line for code in Exit for line in (".TP", str(int(code)), _escaped(EXITS[code].replace("`", "")))),
        ".SH SEE ALSO",
        ", ".join(f"\\fB{_escaped(each)}\\fR(1)" for each in see_also),
    ]
    return "\n".join(lines) + "\n"


def _subcommands(path: tuple[str, ...], command: click.Command) -> Iterator[str]:
    """The commands of a group, deeper ones too; of those that are one for each scenario, the first stands for all."""
    if not isinstance(command, click.Group):
        return
    context = click.Context(command)
    names = command.list_commands(context)
    if len(path) == 1:
        yield ".SH COMMANDS"
        for name in names:
            child = command.get_command(context, name)
            assert child is not None
            yield from (".TP", f"\\fBcapnet\\-{_escaped(name)}\\fR(1)", _escaped(_summary(child)))
        return
    played = list(PLAYED_BY_NAME.get(path, list)())
    for name in [*(each for each in names if each not in played), *played[:1]]:
        child = command.get_command(context, name)
        assert child is not None
        child_path = (*path, "NAME" if name in played else name)
        yield f'.SH "{_escaped(" ".join(child_path).upper())}"'
        yield f"\\fB{_escaped(' '.join(child_path))}\\fR {_escaped(_arguments(child_path, child))}"
        yield ".PP"
        if name in played:
            yield _escaped(f"NAME is one of: {', '.join(played)}.")
        else:
            yield from _text(child.help or "")
        yield from _options(child, ".PP")
        yield from _subcommands(child_path, child)


def _options(command: click.Command, heading: str) -> Iterator[str]:
    options = [each for each in command.params if isinstance(each, click.Option)]
    if options:
        yield heading
    for option in options:
        names = ", ".join(f"\\fB{_escaped(name)}\\fR" for name in (*option.opts, *option.secondary_opts))
        if isinstance(option.type, click.Choice):
            names += " " + _escaped("|".join(option.type.choices))
        elif not option.is_flag:
            names += " " + _escaped(option.metavar or option.type.name.upper())
        default = (
            f" [default: {option.default}]"
            if option.show_default and option.default is not None and not option.is_flag
            else ""
        )
        yield from (".TP", names, _escaped(" ".join((option.help or "").split()) + default))


def _text(help_text: str) -> Iterator[str]:
    r"""Paragraphs; those behind \b keep their lines."""
    for number, paragraph in enumerate(inspect.cleandoc(help_text).split("\n\n")):
        if number:
            yield ".PP"
        if paragraph.startswith("\b"):
            yield from _lines(paragraph.removeprefix("\b").strip("\n").splitlines())
        else:
            yield from map(_escaped, paragraph.splitlines())


def _lines(lines: list[str]) -> Iterator[str]:
    """Lines as they are; of a list of commands and what each does, that stands below its command."""
    columns = [re.fullmatch(r"(\S.*?)\s{2,}(\S.*)", line) for line in lines]
    if any(columns) and not any("──" in line for line in lines):
        for line, pair in zip(lines, columns, strict=True):
            yield from (".TP", *map(_escaped, pair.groups() if pair else (line, "")))
    else:
        yield from (".nf", *map(_escaped, lines), ".fi")


def _arguments(path: tuple[str, ...], command: click.Command) -> str:
    return usage(path, command).removeprefix(" ".join(path)).strip()


def _summary(command: click.Command) -> str:
    text = command.short_help or (command.help or "").strip().partition("\n\n")[0]
    return " ".join(text.split()).removesuffix(".")


def _escaped(text: str) -> str:
    """`text` without a meaning in roff."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text
