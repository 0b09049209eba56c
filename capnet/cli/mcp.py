"""`capnet mcp`: captures for agents, by the Model Context Protocol on standard input and output."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from capnet import language
from capnet.errors import Exit, UsageError


@click.command("mcp", short_help="Answer an agent about captures (Model Context Protocol).")
@click.option(
    "--folder",
    "folders",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Read captures below FOLDER only; may be given several times.",
)
def command(folders: tuple[Path, ...]) -> int:
    """Serve the Model Context Protocol on standard input and output, until standard input ends.

    An agent starts this command; docs/mcp.md says how to register it. Its tools are open, summary, trace, explain and
    compare. They read captures below FOLDER and nothing else, and write nothing. Symbolic links that lead out are
    refused. Answers have at most 2,000 tokens, name frames, hold no payload, and mark strings from packets as data.

    \b
    capnet mcp --folder captures
    claude mcp add capnet -- capnet mcp --folder /srv/captures
    """
    if sys.stdin is None or sys.stdout is None or sys.stdin.isatty():
        raise UsageError(
            "capnet mcp talks to an agent on standard input and output; docs/mcp.md says how to register it"
        )
    language.use_for_programs()
    from capnet.mcp.folders import Folders
    from capnet.mcp.server import Server

    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # nothing but messages may come on standard output
    try:
        Server(Folders(folders)).run(sys.stdin.buffer, answers)
    finally:
        sys.stdout = sys.__stdout__
    return Exit.OK
