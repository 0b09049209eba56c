"""`capnet analyze`: captures in, report out."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from capnet.cli import options
from capnet.cli.files import is_folder, is_there
from capnet.errors import Exit, UnreadableInput, UsageError

if TYPE_CHECKING:
    from capnet.analysis.core.contract.report import Report
    from capnet.analysis.engine import Source
    from capnet.topology import Topology

_SUFFIXES = (".pcap", ".pcapng", ".cap")
_SECTIONS = "models, stations, macs, nat, proxies, tunnels, paths, flows, findings"  # document.SECTIONS, for --help
_LEVELS = ("info", "warning", "error")  # mildest first


@click.command("analyze", short_help="Explain a capture, offline.")
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "html"]),
    default="table",
    show_default=True,
    help="How to print.",
)
@click.option("--only", multiple=True, metavar="SECTION,...", help=f"Report only these: {_SECTIONS}.")
@options.output
@options.how_to_read
@click.option(
    "--fail-on",
    type=click.Choice(["none", *_LEVELS]),
    default="none",
    show_default=True,
    help="Exit with code 1 when there is a finding of this level or worse.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="The file is still being written: read on until Ctrl-C or SIGTERM, then report.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 16),
    metavar="N",
    help="How many to read with; default: one a processor, 4 at most. The report is the same.",
)
def command(
    files: tuple[str, ...],
    format_: str,
    only: tuple[str, ...],
    output: Path | None,
    topology: Path | None,
    vxlan_port: int | None,
    fail_on: str,
    follow: bool,
    threads: int | None,
) -> int:
    """Explain captures: who talks to whom, what was rewritten, wrapped, shared or lost.

    FILES are pcap or pcapng, plain or gzip, zstd, lz4. Several are one capture heard at several points. Each may be:

    \b
    saved.pcapng         a file; its points are its interfaces, or its name
    A/ens33=one.pcap     a file and the name of its point
    captures/            a folder: every capture in it
    -                    standard input

    Exit codes: 0 fine, 1 see --fail-on, 2 wrong usage, 3 unreadable input.
    """
    sections = _sections(only)
    sources = list(named_sources(files))
    known = topology_at(topology)

    from capnet.analysis.engine import Options, study
    from capnet.cli.progress import shown

    def make_ready() -> None:
        for module in ("capnet.report.document", f"capnet.report.formats.{format_}", "capnet.cli.output"):
            import_module(module)

    if follow and (len(sources) > 1 or sources[0].path is None):
        raise UsageError("--follow reads one file; what is piped in is read to its end without it")
    if follow:
        gc.enable()  # for days, perhaps
    until = Event() if follow else None
    with _first_interrupt_ends_the_stream(any(each.path is None for each in sources), until), shown() as progress:
        how = Options(vxlan_port=vxlan_port or 0, threads=threads, until=until, progress=progress)
        report = study(sources, known, how, meanwhile=make_ready).report

    from capnet.report.document import document, short_names

    found = document(report, only=sections)
    if format_ == "json":
        from capnet.report.formats.json import render as as_json

        text = as_json(found)
    elif format_ == "html":
        from capnet.report.formats.html import render as as_html

        text = as_html(found)
    else:
        from capnet.cli.output import report_columns
        from capnet.report.formats.table import render as as_table

        short = short_names(each.file for each in report.inputs)
        text = as_table(found, report_columns(output), where={name: given for given, name in short.items()})

    from capnet.cli.output import emit

    emit(text, output)
    return Exit.FINDING if _fails(report, fail_on) else Exit.OK


def _sections(only: tuple[str, ...]) -> list[str]:
    if not only:
        return []
    from capnet.report.document import SECTIONS

    wanted = [word.strip() for each in only for word in each.split(",") if word.strip()]
    for word in wanted:
        if word not in SECTIONS:
            raise UsageError(f"--only {word}: there is no such section; choose from {', '.join(SECTIONS)}")
    if not wanted:
        raise UsageError(f"--only needs at least one of {', '.join(SECTIONS)}")
    return wanted


def named_sources(files: tuple[str, ...]) -> Iterator[Source]:
    """What the arguments FILES of a command name."""
    from capnet.analysis.engine import Source

    if files.count("-") > 1:
        raise UsageError("- (standard input) can be given once")
    for given in files:
        if given == "-":
            if sys.stdin is None:
                raise UsageError("- reads a capture from standard input, but that is closed; pipe one in")
            if sys.stdin.isatty():
                raise UsageError("- reads a capture from standard input, but that is a terminal; pipe one in")
            yield Source(None)
            continue
        name, path = _split(given)
        if is_folder(path):
            if name:
                raise UsageError(f"{given}: a folder holds several points; name its files one by one")
            yield from (Source(each) for each in _captures(path))
        else:
            yield Source(None if str(path) == "-" else path, name)


def _split(given: str) -> tuple[str | None, Path]:
    """`NAME=FILE` → (NAME, FILE); what exists under its whole name is a file, with or without = in it."""
    if not given:
        raise UsageError("an empty name is no file; is a variable empty?")
    name, equals, file = given.partition("=")
    if not equals or is_there(Path(given)):
        return None, Path(given)
    if not name or not file:
        raise UsageError(f"{given}: write NAME=FILE, both of them")
    return name, Path(file)


def _captures(folder: Path) -> list[Path]:
    """The captures directly in a folder, by name."""
    from capnet.wire.formats.compression import SUFFIXES

    def is_one(name: str) -> bool:
        inner = next((name.removesuffix(each) for each in SUFFIXES if name.endswith(each)), name)
        return inner.endswith(_SUFFIXES)

    try:
        found = sorted(each for each in folder.iterdir() if is_one(each.name) and each.is_file())
    except OSError as error:
        raise UnreadableInput(f"{error.filename or folder}: {error.strerror or error}") from error
    if not found:
        raise UnreadableInput(f"{folder}: no capture in this folder ({', '.join(f'*{each}' for each in _SUFFIXES)})")
    return found


def topology_at(path: Path | None) -> Topology | None:
    """The topology of option --topology, None when it was not given."""
    if path is None:
        return None
    from capnet.topology import Topology

    try:
        return Topology.load(path)
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror or error}") from error
    except ValueError as error:  # says the path itself
        raise UnreadableInput(str(error)) from error


@contextmanager
def _first_interrupt_ends_the_stream(reading_stdin: bool, until: Event | None) -> Iterator[None]:
    """In `tcpdump -w - | capnet analyze -` Ctrl-C reaches both: tcpdump ends, and we still owe the report.

    So do we where a growing file was followed, which is what `until` ends; there SIGTERM (of `timeout`, say) is
    meant as Ctrl-C is, since nobody else will end the file.

    The second one, should the stream not end, ends us.
    """
    if not reading_stdin and until is None:
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM) if until else (signal.SIGINT,)

    def wait_for_the_end(*_: object) -> None:
        for each in signals:
            signal.signal(each, give_up)
        if until:
            until.set()
        # Not by click: the signal may have come while something else was being written.
        os.write(2, b"capnet: reading what is left of the stream; Ctrl-C again stops that\n")

    def give_up(*_: object) -> None:
        # Not by an exception: the thread that reads the stream sits in read() and would be waited for.
        # Nothing was written yet, so there is nothing to undo.
        os.write(2, b"capnet: interrupted\n")
        os._exit(Exit.INTERRUPTED)

    before = {each: signal.signal(each, wait_for_the_end) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _fails(report: Report, level: str) -> bool:
    if level == "none":
        return False
    return any(_LEVELS.index(each.level) >= _LEVELS.index(level) for each in report.findings)
