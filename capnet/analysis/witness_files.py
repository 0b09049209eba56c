"""The witnesses that lie beside captures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from capnet.analysis.core.results import Input, Problem
from capnet.analysis.core.sources import Source
from capnet.topology import witnesses_path

if TYPE_CHECKING:
    from capnet.witnesses import Witnesses

UNREADABLE = "unreadable-witnesses"


def witnesses_beside(sources: Sequence[Source], inputs: Sequence[Input]) -> Witnesses | None:
    """The witnesses that lie beside the sources, joined; None if there are none.

    A file that cannot be read is a problem of the input that it belongs to.
    """
    paths = [_path_beside(source) for source in sources]
    if not any(paths):
        return None
    from capnet.witnesses import Witnesses

    loaded: list[Witnesses] = []
    for path, read in zip(paths, inputs, strict=True):
        if path is None:
            continue
        try:
            loaded.append(Witnesses.load(path))
        except (OSError, ValueError) as error:
            reason = f"{path}: {error.strerror or error}" if isinstance(error, OSError) else str(error)
            read.problems.append(Problem(UNREADABLE, 0, f"{reason}; rules and counters are not compared"))
    return reduce(Witnesses.joined, loaded) if loaded else None


def _path_beside(source: Source) -> Path | None:
    """The file beside a source, if there is one."""
    if source.path is None:
        return None
    path = witnesses_path(source.path)
    try:
        return path if path.is_file() else None
    except OSError:  # the capture's name is so long that there is no room for the ending
        return None
