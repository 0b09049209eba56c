"""The topologies that lie beside captures."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from pathlib import Path

from capnet.analysis.core.sources import Source
from capnet.errors import UnreadableInput
from capnet.topology import Topology, topology_path


def topology_beside(sources: Iterable[Source]) -> Topology | None:
    """The topologies that lie beside the sources, joined; None if there is none. Raises UnreadableInput."""
    paths = [topology_path(source.path) for source in sources if source.path is not None]
    topologies = [_load(path) for path in paths if _is_file(path)]
    return reduce(Topology.joined, topologies) if topologies else None


def _load(path: Path) -> Topology:
    try:
        return Topology.load(path)
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        hint = "mend it or move it away: all but names works without it"
        raise UnreadableInput(f"{error}; {hint}") from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the capture's name is so long that there is no room for the ending
        return False
