"""A scenario's docstring as its help: whole where it fits, else without its drawing and wrapped to the terminal."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from capnet import language
from capnet.cli.output import terminal_columns

_INDENT = "  "
_HEADS = 8  # columns of `Builds`, `Sends` and `Listens` and of the indentation below them
_HEADS_ZH = 6  # of 建立, 发送 and 抓包


class ScenarioCommand(click.Command):
    """A command whose help is a scenario's docstring: a title, a drawing, and what it builds, sends and listens at."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Instead of click's, which wraps drawings as if they were sentences."""
        formatter.write_paragraph()
        docstring = inspect.cleandoc(self.help or "")
        if language.is_chinese():
            from capnet.cli.chinese.scenario_pages import page

            docstring = page(str(self.name), docstring)
        for line in layout(docstring, terminal_columns()):
            formatter.write(f"{_INDENT}{line}".rstrip() + "\n")


def title(name: str, path: Path) -> str:
    """What the scenario is, in a line: the first one of its docstring, without its name."""
    from capnet.scenario import library

    english = library.summary(path).removeprefix(f"{name}:").strip()
    if language.is_chinese():
        from capnet.cli.chinese.scenario_pages import title_of

        return title_of(name, is_fault=path.parent.name == "faults") or english
    return english


def layout(docstring: str, columns: int | None) -> Iterator[str]:
    """Lines of the docstring for a terminal of so many columns (None: no terminal, any width will do)."""
    room = 10_000 if columns is None else columns - len(_INDENT)
    from capnet.report.text import columns as width_of

    for number, paragraph in enumerate(docstring.split("\n\n")):
        lines = paragraph.split("\n")
        if number:
            yield ""
        widest = max(map(width_of, lines))
        if widest <= room:
            yield from lines
            continue
        if any("─" in line for line in lines):
            taken = widest + len(_INDENT)
            lines = [language.message(f"(The drawing is left out: it takes {taken} columns.)")]
        for text in _sentences(lines):
            yield from _wrapped(text, room, bool(number))


def _wrapped(text: str, room: int, has_head: bool) -> list[str]:
    """Lines of a sentence; those behind the first one stand below the text of its head."""
    if language.is_chinese():
        from capnet.report.text import fill

        bare = text.lstrip(" ")
        return fill(bare, room, text.removesuffix(bare), " " * _HEADS_ZH * has_head)
    return textwrap.wrap(text, room, subsequent_indent=" " * _HEADS * has_head, break_on_hyphens=False)


def _sentences(lines: list[str]) -> Iterator[str]:
    """Lines that belong together, as one: a sentence that goes on is indented, and one ends with a full stop."""
    sentence = ""
    for line in lines:
        sentence = sentence + language.pick(" ", "") + line.strip() if sentence else line
        if line.endswith((".", "。", "）")):
            yield sentence
            sentence = ""
    if sentence:
        yield sentence
