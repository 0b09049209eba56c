"""Prints what goes wrong, on standard error: in lines of whole words on a terminal, else as one line."""

from __future__ import annotations

import os
import sys

import click


def print_error(sentence: str) -> None:
    """Prints `capnet: SENTENCE`. What other programs said may have several lines, which stay as they are."""
    line = f"capnet: {sentence}"
    if sys.stderr is not None and sys.stderr.isatty() and "\n" not in line:
        from capnet.report.text import columns, fill

        width = os.get_terminal_size(sys.stderr.fileno()).columns  # 0 where the terminal does not know
        line = "\n".join(fill(line, width)) if 0 < width < columns(line) else line
    click.echo(line, err=True)
