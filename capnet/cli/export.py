"""`capnet export`: frames, flows and facts of captures as files of tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from capnet import language
from capnet.analysis.tables.names import TABLES
from capnet.cli import completions, options
from capnet.cli.path_tests import is_any_of, is_folder, is_plain, is_there
from capnet.errors import Exit, UsageError
from capnet.export.writers import FORMATS, format_for, write

if TYPE_CHECKING:
    from capnet.analysis.tables.library import Tables


@click.command("export", short_help="Frames, flows or facts as Parquet, CSV, JSON lines or Arrow.")
@click.argument("files", nargs=-1, metavar="FILES...", shell_complete=completions.files)
@options.read
@click.option(
    "--to", "format_", type=click.Choice(tuple(FORMATS)), help="The format. Default: what the name of --output says."
)
@click.option(
    "--table",
    type=click.Choice(tuple(TABLES)),
    metavar="TABLE",
    default="frames",
    show_default=True,
    help=f"What the rows are: {', '.join(TABLES)}.",
)
@click.option(
    "--flow",
    "expression",
    metavar="EXPRESSION",
    default="",
    help="Only these flows; EXPRESSION is that of `capnet trace`.",
)
@click.option(
    "--addresses",
    type=click.Choice(("text", "binary")),
    default="text",
    show_default=True,
    help="IP addresses of frames, flows and conversations as text, or as 16 bytes each.",
)
@click.option("-o", "--output", required=True, metavar="FILE", help="Write FILE (atomically); - is stdout.")
@options.how_to_read
def command(
    files: tuple[str, ...],
    read: tuple[str, ...],
    format_: str | None,
    table: str,
    expression: str,
    addresses: str,
    output: str,
    topology: Path | None,
    vxlan_port: int | None,
) -> int:
    """Write a table of FILES, all of its rows, for other programs. docs/export.md names the columns.

    FILES may be named as for `capnet analyze`; several are one capture at several points. Memory does not grow with the
    number of frames. Parquet and Arrow need the extra: pip install 'capnet[export]'.

    \b
    capnet export bridge.pcapng -o frames.parquet
    capnet export bridge.pcapng --table flows --flow 'host web and port 80' -o web.csv
    capnet export *.pcapng --table findings --to jsonl -o - | jq .says
    """
    files = (*read, *files)
    if not files:
        raise UsageError("name a capture: capnet export FILES… -o FILE")
    language.use_for_programs()
    from capnet.analysis.tables.library import Tables
    from capnet.cli.inputs import named_sources, tell_problems, topology_at
    from capnet.cli.interrupts import second_interrupt_undoes
    from capnet.cli.output import binary_stdout

    target = None if output == "-" else Path(output)
    format_ = format_for(format_, target)
    sources = list(named_sources(files))
    is_stream = any(source.path is None for source in sources)
    if expression and table == "frames" and is_stream:
        raise UsageError("--flow with frames reads the capture twice, which standard input cannot be; save it first")
    tables = Tables(sources, topology_at(topology), vxlan_port or 0, expression, addresses == "binary")
    with second_interrupt_undoes(is_stream):
        if target is None:
            stdout = binary_stdout(format_, may_be_terminal=FORMATS[format_].is_text)
            write(tables.table(table), format_, stdout)
        else:
            _write(tables, table, format_, target, [source.path for source in sources if source.path])
    tell_problems(tables.problems)
    return Exit.OK


def _write(tables: Tables, table: str, format_: str, target: Path, inputs: list[Path]) -> None:
    from capnet.whole_file import not_written, whole

    if is_folder(target):
        raise UsageError(f"{target}: is a folder; name a file in it")
    if is_any_of(target, inputs):
        raise UsageError(f"{target}: is the input, which export never overwrites; choose another name")
    try:
        if is_there(target) and not is_plain(target):  # /dev/null, a named pipe
            with target.open("wb") as stream:
                write(tables.table(table), format_, stream)
            return
        with whole(target) as file:
            write(tables.table(table), format_, file)
    except OSError as error:
        raise not_written(target, error) from error
