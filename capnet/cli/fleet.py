"""`capnet fleet`: thousands of captures, each analyzed once, and one report on all of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from capnet import language
from capnet.cli import completions, options
from capnet.errors import Exit, UnreadableInput, UsageError
from capnet.export.writers import FORMATS as DATASET_FORMATS

if TYPE_CHECKING:
    from capnet.fleet.job import FleetOptions
    from capnet.fleet.run import Run, RunState, Workers

FORMATS = ("table", "json", "markdown", "html")
LINE_INTERVAL_S = 0.5  # between lines of progress
_CLEAR = "\r\x1b[K"


@click.command("fleet", short_help="Thousands of captures, one answer.")
@click.argument("captures", nargs=-1, metavar="CAPTURES...", shell_complete=completions.files)
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), required=True, metavar="FOLDER",
    help="Where results go, and where the next run goes on.",
)  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, 1024), metavar="N", help="Captures analyzed at a time (default: CPUs).")
@click.option(
    "--dask", metavar="ADDRESS", help="Scheduler of Dask: its workers analyze, and write results (tcp://host:8786)."
)
@click.option(
    "--to", "dataset", type=click.Choice(tuple(DATASET_FORMATS)),
    help="Format of the data set. Default: parquet where pyarrow is installed, else csv.",
)  # fmt: skip
@click.option(
    "--topology", type=click.Path(path_type=Path), metavar="FILE",
    help="Who owns which address in all captures. Default: NAME.topology.json beside each, when it is there.",
)  # fmt: skip
@options.vxlan_port
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="table", show_default=True, help="How to print."
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="OLD.json",
    help="A fleet.json of before: what it has too is no reason to --fail-on.",
)
@click.option(
    "--fail-on",
    type=click.Choice(("error", "warning", "info", "none")),
    default="none",
    show_default=True,
    help="Exit with code 1 when there is a finding of this level or worse.",
)
def command(
    captures: tuple[str, ...],
    folder: Path,
    jobs: int | None,
    dask: str | None,
    dataset: str | None,
    topology: Path | None,
    vxlan_port: int | None,
    format_: str,
    baseline: Path | None,
    fail_on: str,
) -> int:
    """Analyze many captures, each of them once, and report on all.

    CAPTURES are folders, patterns in quotes, lists (.txt, or - for standard input: one a line, or find -print0) and
    files. Files of a ring are one capture. The same command goes on where it was interrupted or killed, and analyzes
    what is new or has changed. A capture that cannot be read is a row of the report.

    FOLDER gets a report of each capture, tables of all flows, translations, findings and models, and the merged report:
    which findings where and since when, which containers where, which captures have connections in common.

    \b
    capnet fleet captures/ -o fleet/
    capnet fleet '/var/captures/**/*.pcap.zst' -o fleet/ --jobs 8 --to parquet
    capnet fleet captures/ -o fleet/ --baseline last-week/fleet.json --fail-on error
    find /mnt -name '*.pcap' | capnet fleet - -o fleet/ --format json
    capnet fleet /nfs/captures -o /nfs/fleet --dask tcp://head:8786

    Exit codes: 0 fine, 1 see --fail-on, 2 wrong usage, 3 no capture can be read, 130 interrupted.
    """
    _must_be_usable(captures, jobs, dask)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is loaded, in this process and in its workers
    from capnet.cli.inputs import fleet_baseline, topology_at
    from capnet.fleet.captures import named_captures
    from capnet.fleet.folder import fleet_folder, keep_options, options_of
    from capnet.fleet.run import Run
    from capnet.interrupts import Interruptible

    old = fleet_baseline(baseline)
    topology_at(topology)  # raises before anything is done
    sources = named_captures(captures, folder)
    if not sources:
        raise UnreadableInput(f"{', '.join(captures)}: no capture (*.pcap, *.pcapng, *.cap, compressed or not)")
    with Interruptible(), fleet_folder(folder):
        wanted = options_of(folder, dataset, vxlan_port, topology)
        _check(wanted)
        run = Run(sources, folder, wanted)
        keep_options(folder, wanted)
        _analyze(run, jobs or _processors(), dask)
        return _report(run, folder, format_, fail_on, old)


def _must_be_usable(captures: tuple[str, ...], jobs: int | None, dask: str | None) -> None:
    if not captures:
        raise UsageError("name captures: capnet fleet CAPTURES… -o FOLDER")
    if dask and jobs:
        raise UsageError("--jobs is for this machine, --dask for others: leave one of them out")


def _check(wanted: FleetOptions) -> None:
    """Raise EnvironmentLacks before anything is done, if the data set needs a library that is not there."""
    if not DATASET_FORMATS[wanted.format_].is_text:
        from capnet.export.extras import library

        library("pyarrow", "export", wanted.format_.capitalize())


def _processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _analyze(run: Run, jobs: int, dask: str | None) -> None:
    """Analyze what is not done, on workers of Dask or in processes of this machine."""
    if run.outdated:
        _say(
            f"captures that are not named any more: {run.outdated:,}; "
            "their results are removed at the end (not after Ctrl-C)"
        )
    if not run.waiting:
        return
    if dask:
        from capnet.fleet.dask_workers import DaskWorkers

        with DaskWorkers(dask, run.folder) as workers:
            _watch(run, workers)
        return
    from capnet.fleet.pool import ProcessPool

    with ProcessPool(min(jobs, len(run.waiting))) as pool:
        _watch(run, pool)


def _watch(run: Run, workers: Workers) -> None:
    """Analyze, with progress on a terminal. An interruption says how to go on."""
    if run.was_done:
        _say(f"{run.was_done:,} of {len(run.jobs):,} captures are done already")
    try:
        with _shown() as show:
            run.analyze(workers, show)
    except KeyboardInterrupt:
        state = run.state
        _say(f"{state.done:,} of {state.captures:,} captures are done; the same command goes on")
        raise


def _say(message: str) -> None:
    click.echo(f"capnet: {language.message(message)}", err=True)


@contextmanager
def _shown() -> Iterator[Callable[[RunState], None]]:
    """A function that shows progress in one line on standard error, if that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda state: None
        return
    began, due = monotonic(), 0.0

    def show(state: RunState) -> None:
        nonlocal due
        now = monotonic()
        if now >= due:
            sys.stderr.write(_CLEAR + progress_line(state, now - began))
            sys.stderr.flush()
            due = now + LINE_INTERVAL_S

    try:
        yield show
    finally:
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()


def progress_line(state: RunState, seconds: float) -> str:
    """`120 of 320 captures, 45 %, about 7 s left, 2 failed`."""
    share = state.done_bytes / state.bytes if state.bytes else 1.0
    left = f", about {seconds * (1 - share) / share:.0f} s left" if share else ""
    failed = f", {state.failed:,} failed" if state.failed else ""
    return f"{state.done + state.failed:,} of {state.captures:,} captures, {100 * share:.0f} %{left}{failed}"


def _report(run: Run, folder: Path, format_: str, fail_on: str, baseline: dict[str, Any] | None) -> int:
    """Write the merged report, and show it."""
    from capnet.analysis.core.contract.json_text import json_text
    from capnet.analysis.core.contract.keys import LEVELS
    from capnet.cli.output import emit, report_columns, show
    from capnet.fleet.report.baseline import with_fleet_baseline
    from capnet.fleet.report.html import render
    from capnet.fleet.report.text import markdown, screen

    if format_ == "json":
        language.use_for_programs()
    document = with_fleet_baseline(run.merge(), baseline)
    texts = {"json": json_text(document), "markdown": markdown(document), "html": render(document)}
    for name, ending in (("json", "json"), ("markdown", "md"), ("html", "html")):
        emit(texts[name], folder / f"fleet.{ending}")
    show(texts.get(format_) or screen(document, str(folder), report_columns()))
    totals = document["totals"]
    if totals["failed"] == totals["captures"]:
        return Exit.UNREADABLE
    new = (row for row in document["findings"] if not row["in_baseline"])
    worst = min((LEVELS.index(row["level"]) for row in new), default=len(LEVELS))
    return Exit.FINDING if fail_on != "none" and worst <= LEVELS.index(fail_on) else Exit.OK
