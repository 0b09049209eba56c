"""What the arguments FILES and --topology of a command name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from capnet import language
from capnet.analysis.core.wording import Text
from capnet.cli.path_tests import is_folder, is_there
from capnet.errors import UnreadableInput, UsageError, unreadable

if TYPE_CHECKING:
    from capnet.analysis.core.contract.document import Document
    from capnet.analysis.core.contract.report import Report
    from capnet.analysis.core.results import Input, Problem
    from capnet.analysis.engine import Source
    from capnet.topology import Topology
    from capnet.witnesses import Witnesses

DAMAGED = Text(
    en="{file} is damaged in {places:place}, first at byte {offset}: {damage}; what could be read is used",
    zh="{file} 有 {places} 处损坏，第一处在第 {offset} 字节：{damage}；只用到能读出的部分",
)


def named_sources(files: tuple[str, ...]) -> Iterator[Source]:
    """The sources that the arguments FILES name, in their order; a folder is every capture in it.

    A capture that was given twice is read once. Raises UsageError for what makes no sense, UnreadableInput for a folder
    that cannot be read or has no capture.
    """
    sources = _named(files)
    if len(files) > 1 or any(is_folder(Path(given)) for given in files):
        from capnet.cli.superfluous_files import without_superfluous

        sources = without_superfluous(sources)
    return sources


def _named(files: tuple[str, ...]) -> Iterator[Source]:
    if files.count("-") > 1:
        raise UsageError("- (standard input) can be given once")
    stream = _standard_input() if "-" in files else None

    from capnet.analysis.engine import Source

    for given in files:
        if given == "-":
            yield Source(None, stream=stream)
            continue
        name, path = _split(given)
        if is_folder(path):
            if name:
                raise UsageError(f"{given}: a folder holds several points; name its files one by one")
            yield from map(Source, _captures(path))
        else:
            yield Source(None if str(path) == "-" else path, name)


def _standard_input() -> BinaryIO:
    """Standard input; what is piped in is read from now on, while capnet loads what it needs."""
    if sys.stdin is None:
        raise UsageError("- reads a capture from standard input, but that is closed; pipe one in")
    if sys.stdin.isatty():
        raise UsageError("- reads a capture from standard input, but that is a terminal; pipe one in")
    from capnet.cli.interrupts import expect_stream
    from capnet.cli.read_ahead import read_ahead

    expect_stream()
    stream: Any = read_ahead(sys.stdin.fileno())
    return stream or sys.stdin.buffer


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
    from capnet.wire.formats import CAPTURE_SUFFIXES, is_capture_name

    try:
        captures = sorted(path for path in folder.iterdir() if is_capture_name(path.name) and path.is_file())
    except OSError as error:
        raise UnreadableInput(f"{error.filename or folder}: {error.strerror or error}") from error
    if not captures:
        patterns = ", ".join(f"*{suffix}" for suffix in CAPTURE_SUFFIXES)
        raise UnreadableInput(f"{folder}: no capture in this folder ({patterns})")
    return captures


def topology_at(path: Path | None) -> Topology | None:
    """The topology of option --topology, None if it was not given; raises UnreadableInput."""
    if path is None:
        return None
    from capnet.topology import Topology

    with _reading(path):
        return Topology.load(path)


def witnesses_at(path: Path | None) -> Witnesses | None:
    """The witnesses of option --witnesses, None if it was not given; raises UnreadableInput."""
    if path is None:
        return None
    from capnet.witnesses import Witnesses

    with _reading(path):
        return Witnesses.load(path)


def baseline_marker(path: Path | None) -> Callable[[Report], Report]:
    """What marks the findings of a report that the one of option --baseline has too; raises UnreadableInput."""
    if path is None:
        return lambda report: report
    from capnet.report.comparison.baseline import read_baseline, with_baseline

    with _reading(path):
        baseline = read_baseline(path)
    return lambda report: with_baseline(report, baseline)


def fleet_baseline(path: Path | None) -> Document | None:
    """The report of a fleet that option --baseline names, None if it was not given; raises UnreadableInput."""
    if path is None:
        return None
    from capnet.fleet.report.baseline import read_fleet_baseline

    with _reading(path):
        return read_fleet_baseline(path)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """The errors of reading the file of an option, as UnreadableInput."""
    try:
        yield
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:  # its message has the path
        raise UnreadableInput(str(error)) from error


def tell_problems(problems: Mapping[str, Sequence[Problem]]) -> None:
    """Says on standard error which captures are damaged, and what is wrong with the files beside them.

    `problems`: label of a capture → what is wrong. A report has the same as findings; other output has no place for it.
    """
    if not any(problems.values()):
        return
    import click

    from capnet.analysis.core.contract.keys import FILES_BESIDE
    from capnet.analysis.findings.capture_damaged import DAMAGE
    from capnet.report.escape import visible

    for file, of_file in problems.items():
        lines = [_beside(each) for each in of_file if each.name in FILES_BESIDE]
        damage = [each for each in of_file if each.name in DAMAGE]
        if damage:
            values = {"file": file, "places": len(damage), "offset": f"{damage[0].offset:,}"}
            lines.append(DAMAGED.fill(**values, damage=language.message(damage[0].says).rstrip(".")))
        for line in lines:
            click.echo(visible(f"capnet: {line}"), err=True)


def _beside(problem: Problem) -> str:
    from capnet.analysis.core.contract.keys import FILES_BESIDE

    kind, says = FILES_BESIDE[problem.name], language.message(problem.says)
    return language.pick(f"{kind.lower()}: ", f"{language.term(kind)}：") + says


def problems_of(inputs: Sequence[Input]) -> dict[str, list[Problem]]:
    """The problems of the inputs of a report, by their labels."""
    return {each.file: each.problems for each in inputs}
