"""Of several captures, leaves out what holds nothing, and what was given twice: the same file, or one with its bytes.

Programs that record each interface into a file of its own leave files without an octet where nothing passed.
"""

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


def without_superfluous(sources: Iterable[Source]) -> Iterator[Source]:
    """The sources, without files that are empty or others again; lines on standard error name those.

    Two points that were named on the command line stay two points. If all files are empty, the first one stays.
    """
    empty: list[Source] = []
    filled = list(_not_empty(sources, empty))
    if empty and filled:
        _say(f"empty, and left out: {', '.join(source.label for source in empty)}")
    yield from _distinct(filled or empty[:1])


def _not_empty(sources: Iterable[Source], empty: list[Source]) -> Iterator[Source]:
    """The sources that are no empty files; the others are appended to `empty`."""
    for source in sources:
        if source.path is not None and is_plain(source.path) and source.path.stat().st_size == 0:
            empty.append(source)
        else:
            yield source


def _distinct(sources: Iterable[Source]) -> Iterator[Source]:
    earlier: dict[tuple[int, bytes, bytes], Source] = {}
    for source in sources:
        contents = _contents(source.path) if source.path is not None else None
        first = earlier.get(contents) if contents is not None else None
        if first is not None and not (first.point_name and source.point_name):
            repeated = f"{source.label} is given twice, and is read once"
            if source.label != first.label:
                repeated = f"{source.label} is the same capture as {first.label}, and is read once"
            _say(repeated)
            continue
        if contents is not None:
            earlier.setdefault(contents, source)
        yield source


def _say(sentence: str) -> None:
    from capnet.report.escape import visible

    click.echo(visible(f"capnet: {language.message(sentence)}"), err=True)


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
