"""Recognises a capture that was given twice: the same file, or another one with the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capnet import language
from capnet.cli.path_tests import is_plain

if TYPE_CHECKING:
    from capnet.analysis.engine import Source

COMPARED_BYTES = 1 << 16  # at both ends of files of equal size: pcap and pcapng have times in every record


def without_repeats(sources: Iterable[Source]) -> Iterator[Source]:
    """The sources, without files that are others again; a line on standard error names each of those.

    Two points that were named on the command line stay two points.
    """
    earlier: dict[tuple[int, bytes, bytes], Source] = {}
    for source in sources:
        contents = _contents(source.path) if source.path is not None else None
        first = earlier.get(contents) if contents is not None else None
        if first is not None and not (first.point_name and source.point_name):
            from capnet.report.escape import visible

            repeated = f"{source.label} is given twice, and is read once"
            if source.label != first.label:
                repeated = f"{source.label} is the same capture as {first.label}, and is read once"
            click.echo(visible(f"capnet: {language.message(repeated)}"), err=True)
            continue
        if contents is not None:
            earlier.setdefault(contents, source)
        yield source


def _contents(path: Path) -> tuple[int, bytes, bytes] | None:
    """Size, beginning and end of a file that can be read twice; None of others, and of what cannot be opened."""
    if not is_plain(path):
        return None
    try:
        with path.open("rb") as file:
            begin = file.read(COMPARED_BYTES)
            size = file.seek(0, 2)
            file.seek(max(0, size - COMPARED_BYTES))
            return size, begin, file.read()
    except OSError:
        return None
