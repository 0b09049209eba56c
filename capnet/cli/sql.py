"""`capnet sql`: ask captures in SQL."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capnet import language
from capnet.cli import completions, options
from capnet.cli.path_tests import is_there
from capnet.errors import CapnetError, Exit, UnreadableInput, UsageError

if TYPE_CHECKING:
    from capnet.analysis.core.sources import Source
    from capnet.export.query import Database

FORMATS = ("table", "csv", "json")
PROMPT = "capnet sql> "
# Words of other prompts (duckdb, sqlite3, psql), as people type them.
LEAVING = ("exit", "quit", ".exit", ".quit", "\\q")
HELPING = ("help", ".help", "?")
TABLE_LISTING = (".tables", "\\d", "\\dt")
COLUMN_LISTING = re.compile(r"(?:\\d\+?|\.schema|describe|desc)\s+(\w+)")


@click.command("sql", short_help="Ask captures in SQL (DuckDB).")
@click.argument("arguments", nargs=-1, metavar="FILES... [QUERY]", shell_complete=completions.files)
@options.read
@click.option(
    "-f", "--file", "query_file", type=click.Path(path_type=Path), metavar="FILE",
    help="The file with the query; - is standard input.",
)  # fmt: skip
@options.format_(FORMATS)
@click.option(
    "--flow",
    "expression",
    metavar="EXPRESSION",
    default="",
    help="Only these flows; EXPRESSION is that of `capnet trace`.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE (atomically).")
@options.how_to_read
def command(
    arguments: tuple[str, ...],
    read: tuple[str, ...],
    query_file: Path | None,
    format_: str | None,
    expression: str,
    output: Path | None,
    topology: Path | None,
    vxlan_port: int | None,
) -> int:
    """Query FILES in SQL.

    Tables: frames, flows, conversations, protocols, nat, tunnels, stations, paths, findings, points. docs/sql.md has
    queries to begin with, docs/export.md the columns.

    QUERY is the last argument, if it names no file. Without one, and with a terminal, capnet asks for queries. FILES
    may be named as for `capnet analyze`. Needs the extra: pip install 'capnet[sql]'.

    \b
    capnet sql overlay.pcapng "select vni, count(*) from frames group by 1"
    capnet sql *.pcapng -f slow.sql --format json
    capnet sql overlay.pcapng
    """
    files, query = _split((*read, *arguments), query_file)
    if not files or (query is None and not any(map(_names_file, files))):
        raise UsageError('name a capture: capnet sql FILES… "select …"')
    format_ = _chosen_format(format_, output)
    language.use_for_programs()
    from capnet.analysis.tables.library import Tables
    from capnet.cli.inputs import named_sources, tell_problems, topology_at
    from capnet.cli.interrupts import second_interrupt_undoes
    from capnet.export.query import Database

    sources = list(named_sources(files))
    _must_be_there(sources)
    if query is None and any(source.path is None for source in sources):
        raise UsageError("no query: write it behind the files, or name its file with -f")
    tables = Tables(sources, topology_at(topology), vxlan_port or 0, expression)
    database = Database(tables)
    if query is not None:
        with second_interrupt_undoes(any(source.path is None for source in sources)):
            _answer(database, query, format_, output)
        tell_problems(tables.problems)
    elif sys.stdin is not None and sys.stdin.isatty():
        _prompt(database, format_)
    else:
        raise UsageError("no query: write it behind the files, or name its file with -f")
    return Exit.OK


def _chosen_format(asked: str | None, output: Path | None) -> str:
    """The format that --format asks for, else that of the output's suffix, else a table. UsageError if both contradict
    each other, and for a file of a format that no answer has.
    """
    from capnet.cli.output import NOT_TEXT
    from capnet.export import writers

    suffix = "" if output is None else output.suffix.lower()
    named = suffix[1:] if suffix[1:] in FORMATS else None
    others = {*NOT_TEXT, *writers.COMPRESSED}.union(*(kind.suffixes for kind in writers.FORMATS.values()))
    if named is None and suffix in others:
        raise UsageError(f"--output {output}: this command writes {', '.join(FORMATS)}, not {suffix[1:]}")
    if asked and named and asked != named:
        raise UsageError(f"--format {asked} and --output {output} contradict each other: name the file otherwise")
    return asked or named or "table"


def _split(arguments: tuple[str, ...], query_file: Path | None) -> tuple[tuple[str, ...], str | None]:
    """Files, and the query if there is one: the last argument, if it is none of a file."""
    if query_file is not None:
        is_stream = str(query_file) == "-"
        if is_stream and "-" in arguments:
            raise UsageError("-f - and a capture - are both standard input; save one of them")
        try:
            return arguments, sys.stdin.read() if is_stream else query_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is no UTF-8 text"
            raise UsageError(f"-f {query_file}: {reason}") from error
    if len(arguments) > 1 and not _names_file(arguments[-1]):
        return arguments[:-1], arguments[-1]
    return arguments, None


def _names_file(argument: str) -> bool:
    if any(character.isspace() for character in argument):
        return is_there(Path(argument))
    return True  # a file that is not there is told so; a query has a space


def _must_be_there(sources: Iterable[Source]) -> None:
    """Raise UnreadableInput for a file that is not there: tables are read when a query needs them, and it may not."""
    for part in (part for source in sources for part in source.parts):
        if part.path is not None and not is_there(part.path):
            raise UnreadableInput(f"{part.path}: {os.strerror(errno.ENOENT)}")


def _answer(database: Database, query: str, format_: str, output: Path | None) -> None:
    from capnet.cli.output import emit, terminal_columns
    from capnet.export.answers import render

    columns = terminal_columns() if output is None and sys.stdout is not None and sys.stdout.isatty() else None
    emit((piece for answer in database.ask(query) for piece in render(answer, format_, columns)), output)


def meant(word: str | None) -> str:
    """The query that words of another prompt mean; empty for a query."""
    if word in TABLE_LISTING:
        return "show tables"
    described = COLUMN_LISTING.fullmatch(word or "")
    return f"describe {described[1]}" if described else ""


def _prompt(database: Database, format_: str) -> None:
    """Ask for queries, each ended by a semicolon, until the end of input. Ctrl-C gives up the query, not the prompt."""
    import contextlib

    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (input() edits lines with it)
    hint = language.message(
        "A query ends with ; and `show tables;`, `describe flows;` list tables and columns. Ctrl-D leaves."
    )
    click.echo(hint, err=True)
    lines: list[str] = []
    while True:
        try:
            lines.append(input(PROMPT if not lines else "...> ".rjust(len(PROMPT))))
            word = lines[0].strip(" ;").lower() if len(lines) == 1 else None
            if word in LEAVING:
                return
            if word in ("", *HELPING):
                lines = []
                if word:
                    click.echo(hint, err=True)
            elif (query := meant(word)) or lines[-1].rstrip().endswith(";"):
                query, lines = query or "\n".join(lines), []
                _answer(database, query, format_, None)
        except EOFError:
            click.echo()
            return
        except KeyboardInterrupt:
            click.echo()
            lines = []
        except CapnetError as error:
            from capnet.report.escape import visible

            click.echo(visible(language.message(str(error)), "\n"), err=True)
