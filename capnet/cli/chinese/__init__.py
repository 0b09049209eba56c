"""Help texts in Chinese: a command of click as a copy that has them, and a formatter that measures wide characters.

Loaded only when sentences are Chinese. A text that the tables lack stays English.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import click

from capnet.cli.chinese.options import HEADINGS, OPTIONS
from capnet.cli.chinese.pages import PAGES
from capnet.cli.help_text import VERBATIM, verbatim_lines
from capnet.language import message, unbroken
from capnet.report.text import columns, fill, padded

MAX_LEFT = 30  # columns of the names of options; longer ones have a line of their own


class ChineseHelpFormatter(click.HelpFormatter):
    """Writes help with lines broken in Chinese text, and columns measured as a terminal does."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """`用法： capnet analyze [OPTIONS] FILES...`"""
        super().write_usage(prog, args, "用法： ")

    def write_heading(self, heading: str) -> None:
        """A heading, with a full-width colon."""
        self.write(f"{'':>{self.current_indent}}{HEADINGS.get(heading, heading)}：\n")

    def write_text(self, text: str) -> None:
        """Paragraphs, each filled, but for verbatim ones."""
        indent = " " * self.current_indent
        paragraphs = []
        for paragraph in text.strip("\n").split("\n\n"):
            if paragraph.startswith(VERBATIM):
                lines = list(verbatim_lines(paragraph, self.width, indent))
            else:
                lines = fill(unbroken(paragraph), self.width, indent)
            paragraphs.append("\n".join(lines))
        self.write("\n\n".join(paragraphs) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = MAX_LEFT, col_spacing: int = 2) -> None:
        """Names and what they mean, in two columns."""
        rows = list(rows)
        indent = " " * self.current_indent
        left = min(max(columns(name) for name, _ in rows), col_max) + col_spacing
        hanging = indent + " " * left
        for name, meaning in rows:
            text = OPTIONS.get(meaning, meaning).replace("[default: ", "[默认：").replace("[required]", "[必需]")
            if columns(name) <= left - col_spacing:
                lines = fill(padded(name, left) + text, self.width, indent, hanging)
            else:
                lines = [indent + name, *(fill(text, self.width, hanging) if text else [])]
            self.write("\n".join(line.rstrip() for line in lines) + "\n")


class ChineseContext(click.Context):
    """A context whose help is written by `ChineseHelpFormatter`."""

    formatter_class = ChineseHelpFormatter


def translated(command: click.Command, path: tuple[str, ...]) -> click.Command:
    """A copy of the command `path` (`lab`, `up`) with Chinese help; of a group, with translated subcommands."""
    shown = copy.copy(command)
    shown.context_class = ChineseContext
    short, text = PAGES.get(" ".join(path), (command.short_help or "", command.help))
    shown.short_help, shown.help = short, text
    shown.params = [_parameter(parameter) for parameter in command.params]
    if isinstance(command, click.Group):
        _translate_group(shown, command, path)
    return shown


def shown_error(error: click.ClickException) -> str:
    """What `error.show()` prints, in Chinese: the usage, where the help is, and what is wrong."""
    context = getattr(error, "ctx", None)
    lines = []
    if context is not None:
        lines = [
            context.get_usage(),
            message(f"Try '{context.command_path} {context.help_option_names[0]}' for help."),
            "",
        ]
    return "\n".join([*lines, message(f"Error: {error.format_message()}")])


def _translate_group(shown: click.Command, group: click.Group, path: tuple[str, ...]) -> None:
    def get_command(ctx: click.Context, name: str) -> click.Command | None:
        command = group.get_command(ctx, name)
        return command and translated(command, (*path, name))

    vars(shown)["get_command"] = get_command


def _parameter(parameter: click.Parameter) -> click.Parameter:
    if not isinstance(parameter, click.Option):
        return parameter
    shown = copy.copy(parameter)
    shown.help = parameter.help and OPTIONS.get(parameter.help, parameter.help)
    if isinstance(shown.show_default, str):
        shown.show_default = OPTIONS.get(shown.show_default, shown.show_default)
    return shown
