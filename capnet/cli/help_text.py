"""The formatter of help texts: paragraphs that keep their lines are wrapped where the terminal is too narrow for them.

Loaded when help is printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from capnet.report.text import columns, fill

VERBATIM = "\b"  # begins a paragraph that keeps its lines, as click has it
MIN_MEANING = 20  # columns of the right-hand text, below which it is not worth wrapping


class HelpFormatter(click.HelpFormatter):
    """click's, but for paragraphs that keep their lines."""

    def write_text(self, text: str) -> None:
        """Paragraphs; click fills those whose lines may be broken."""
        for number, paragraph in enumerate(text.strip("\n").split("\n\n")):
            if number:
                self.write("\n")
            if paragraph.startswith(VERBATIM):
                self.write("\n".join(verbatim_lines(paragraph, self.width, " " * self.current_indent)) + "\n")
            else:
                super().write_text(paragraph)


class HelpContext(click.Context):
    """A context whose help is written by `HelpFormatter`."""

    formatter_class = HelpFormatter


def with_wrapped_help(command: click.Command) -> click.Command:
    """The command itself, whose help and that of its subcommands is written by `HelpFormatter`."""
    command.context_class = HelpContext
    for subcommand in getattr(command, "commands", {}).values():
        with_wrapped_help(subcommand)
    return command


def verbatim_lines(paragraph: str, width: int, indent: str) -> Iterator[str]:
    """Its lines; what stands right of a command goes on below itself where it is too wide. Drawings stay whole."""
    for line in paragraph.split("\n")[1:]:
        left = re.match(r"\S.*?\s{2,}(?=\S)", line)
        start = len(indent) + columns(left[0]) if left else width
        if len(indent) + columns(line) <= width or start + MIN_MEANING > width or "──" in line:
            yield indent + line
        else:
            yield from fill(line, width, indent, " " * start)
