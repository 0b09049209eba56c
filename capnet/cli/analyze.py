"""`capnet analyze`: captures in, report out."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from capnet.analysis.core.contract.keys import LEVELS, SECTIONS
from capnet.cli import completions, options
from capnet.errors import Exit, UsageError
from capnet.report.formats import FORMATS, load
from capnet.report.wanted import Wanted

if TYPE_CHECKING:
    from capnet.analysis.core.contract.report import Report
    from capnet.analysis.core.options import Options
    from capnet.analysis.core.topologies import TopologyFile
    from capnet.analysis.engine import Source, Study
    from capnet.witnesses import Witnesses

_SECTION_LIST = ", ".join(SECTIONS)


@click.command("analyze", short_help="Explain a capture: what fails, where, and who talks to whom.")
@click.argument("files", nargs=-1, metavar="FILES...", shell_complete=completions.files)
@options.read
@options.format_(FORMATS)
@click.option("--only", multiple=True, metavar="SECTION,...", help=f"Report only these: {_SECTION_LIST}.")
@options.screen
@click.option("--full", is_flag=True, help="Print all tables below the first screen.")
@options.top
@click.option("--together", is_flag=True, help="Take FILES for one capture, also if they have no common time.")
@options.output
@options.how_to_read
@options.witnesses
@click.option(
    "--fail-on",
    type=click.Choice(["none", *reversed(LEVELS)]),
    default="none",
    show_default=True,
    help="Exit with code 1 when there is a finding of this level or worse.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="OLD.json",
    help="A report of an earlier run (--format json); --fail-on counts only findings that it lacks.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="The file is still being written: read on until Ctrl-C or SIGTERM, then report. On a terminal, tables of what "
    "it holds so far are shown meanwhile; `q` ends too.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 16),
    metavar="N",
    help="Reader threads (default: CPUs, at most 4). The report is the same.",
)
def command(
    files: tuple[str, ...],
    read: tuple[str, ...],
    format_: str | None,
    only: tuple[str, ...],
    color: str,
    no_pager: bool,
    full: bool,
    top: int | None,
    together: bool,
    output: Path | None,
    topology: Path | None,
    vxlan_port: int | None,
    witnesses: Path | None,
    fail_on: str,
    baseline: Path | None,
    follow: bool,
    threads: int | None,
) -> int:
    """Explain captures: who talks to whom, what was rewritten, wrapped, shared or lost.

    FILES are pcap or pcapng, plain or compressed by gzip, zstd or lz4. Several files are one capture at several
    points. Captures that do not belong together get a line each of one table. A file may be given as:

    \b
    saved.pcapng         a file; its points are its interfaces, or its name
    A/ens33=one.pcap     a file and the name of its point
    web.pcap web.pcap1   files of a ring (tcpdump -C, -W, -G, dumpcap -b): one point, in time order
    captures/            a folder: every capture in it
    -                    standard input

    The first screen says what fails and where, draws the main path, and says who talks to whom. --full adds the tables,
    --only prints some of them. Pipes and files get the same text, 100 columns wide unless COLUMNS is set.

    Exit codes: 0 fine, 1 see --fail-on, 2 wrong usage, 3 unreadable input.
    """
    from capnet.analysis.core.topologies import TopologyFile
    from capnet.cli.inputs import baseline_marker, witnesses_at
    from capnet.cli.output import chosen_format

    wanted, format_ = Wanted(_sections(only), full or top is not None, top), chosen_format(format_, output, FORMATS)
    sources = _sources((*read, *files), follow)
    hosts = TopologyFile(topology) if topology else None
    kernels, marked = witnesses_at(witnesses), baseline_marker(baseline)
    result = _study(sources, hosts, kernels, vxlan_port or 0, threads, follow, format_)
    result = replace(result, report=marked(result.report))
    reports = [] if together or len(sources) == 1 else _of_each(result, hosts, vxlan_port or 0, format_, output)
    if not reports:
        reports = [_shown(result, wanted, format_, output, (color, not no_pager))]
    return Exit.FINDING if any(_has_finding(marked(report), fail_on) for report in reports) else Exit.OK


def _sources(files: tuple[str, ...], follow: bool) -> list[Source]:
    from capnet.cli.inputs import named_sources

    if not files:
        raise UsageError("name a capture: capnet analyze FILES…")
    if follow and len(files) > 1:
        raise UsageError("--follow reads one file")
    sources = list(named_sources(files))
    if follow and (len(sources) > 1 or sources[0].path is None):
        raise UsageError("--follow reads one file; what is piped in is read to its end without it")
    return sources


def _sections(only: tuple[str, ...]) -> list[str]:
    """The sections that --only names, each separated by a comma or in an option of its own; [] = all."""
    if not only:
        return []
    sections = [word.strip().lower() for value in only for word in value.split(",") if word.strip()]
    for word in sections:
        if word not in SECTIONS:
            from capnet.cli.similar_names import did_you_mean

            hint = did_you_mean(word, SECTIONS, f"choose from {_SECTION_LIST}")
            raise UsageError(f"--only {word}: there is no such section; {hint}")
    if not sections:
        raise UsageError(f"--only needs at least one of {_SECTION_LIST}")
    return sections


def _study(
    sources: Sequence[Source],
    topology: TopologyFile | None,
    witnesses: Witnesses | None,
    vxlan_port: int,
    threads: int | None,
    follow: bool,
    format_: str,
) -> Study:
    from capnet.analysis.engine import Options, study
    from capnet.cli.interrupts import interrupt_ends_stream
    from capnet.cli.progress import shown

    def load_meanwhile() -> None:
        load(format_)
        import_module("capnet.cli.output")

    if follow:
        return _follow(sources, topology, witnesses, Options(vxlan_port=vxlan_port, threads=threads))
    with interrupt_ends_stream(any(source.path is None for source in sources), None), shown() as progress:
        how = Options(vxlan_port=vxlan_port, threads=threads, progress=progress)
        return study(sources, topology, how, witnesses=witnesses, meanwhile=load_meanwhile)


def _follow(
    sources: Sequence[Source], topology: TopologyFile | None, witnesses: Witnesses | None, how: Options
) -> Study:
    """The study of a growing file when it ends; on a terminal, what it holds so far is shown meanwhile."""
    from contextlib import nullcontext
    from dataclasses import replace

    from capnet.analysis.engine import study
    from capnet.cli import live_screen
    from capnet.cli.interrupts import interrupt_ends_stream

    gc.enable()  # for days, perhaps
    until = Event()
    screen = live_screen.LiveScreen(until.set) if live_screen.is_possible() else None
    how = screen.reading(replace(how, until=until)) if screen else replace(how, until=until)
    with interrupt_ends_stream(False, until), live_screen.shown(screen) if screen else nullcontext():
        return study(sources, topology, how, witnesses=witnesses, between=screen.between if screen else None)


def _of_each(
    result: Study, topology: TopologyFile | None, vxlan_port: int, format_: str, output: Path | None
) -> list[Report]:
    """Of captures that do not belong together, their reports, after a table of them; else []. Other formats fail."""
    from capnet.cli.unrelated_captures import table, unrelated

    reason = unrelated(result.report)
    if not reason:
        return []
    if format_ != "table":
        raise UsageError(f"{reason}; analyze them one by one, or take them for one capture by --together")
    from capnet.analysis.engine import Options, study
    from capnet.cli.output import emit, report_columns

    reports = []

    def study_one(sources: list[Source]) -> Report:
        reports.append(study(sources, topology, Options(vxlan_port=vxlan_port)).report)
        return reports[-1]

    emit(table(result.sources, result.report, study_one, report_columns(output)), output)
    return reports


def _text(result: Study, wanted: Wanted, format_: str, output: Path | None) -> str | Iterator[str]:
    """The report in this format; in pieces where there may be many flows."""
    from capnet.analysis.core.contract.document import Plain, short_names
    from capnet.analysis.core.results import Flows
    from capnet.cli.output import report_columns

    report = result.report
    names = short_names(source.file for source in report.inputs)
    where = {name: given for given, name in names.items()}
    if wanted.top is not None:
        from capnet.analysis.facts.flows import largest_flows

        if format_ == "json":
            from capnet.report.formats.json import pieces

            document = report.to_dict(wanted.only, lazily=True)
            if "flows" in document:
                document["flows"]["top"] = map(Plain(report.inputs), largest_flows(result.context, wanted.top))
            return pieces(document)
        rows = wanted.top * len(report.points)  # a flow at several points is one row of a table
        report = replace(report, flows=Flows(report.flows.count, list(largest_flows(result.context, rows))))
    if wanted.top is None and format_ != "html":
        result.context.derived.clear()  # no format but these asks for more than the report; a tenth of the memory
    # The words of a section depend on the others.
    document = report.to_dict(wanted.only if format_ == "json" else (), lazily=True)
    if format_ == "json":
        from capnet.report.formats.json import pieces

        return pieces(document)
    if format_ == "html":
        from capnet.cli.page_inputs import beside
        from capnet.report.formats.html import render
        from capnet.report.page.evidence import wanted_frames

        return render(document, 0, where, wanted, beside(result, wanted_frames(document, wanted)))
    return load(format_).render(document, report_columns(output), where, wanted)


def _shown(result: Study, wanted: Wanted, format_: str, output: Path | None, screen: tuple[str, bool]) -> Report:
    """The report, after it was shown or written. `screen`: when to colour a table, and whether a pager may show it."""
    from capnet.cli.output import show

    show(_text(result, wanted, format_, output), output, *(screen if format_ == "table" else ("never", False)))
    return result.report


def _has_finding(report: Report, level: str) -> bool:
    """Is there a finding of this level or worse that the baseline does not have?"""
    new = [row for row in report.findings if not row.in_baseline]
    return level != "none" and any(LEVELS.index(row.level) <= LEVELS.index(level) for row in new)
