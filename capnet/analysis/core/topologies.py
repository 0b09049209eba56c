"""The topologies of sources: given ones, or those that lie beside them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

from capnet.analysis.core.results import Problem
from capnet.analysis.core.sources import Source
from capnet.errors import unreadable
from capnet.quick_tuple import NamedTuple
from capnet.topology import Topology, topology_path

UNREADABLE_TOPOLOGY = "unreadable-topology"


class TopologyFile(NamedTuple):
    """A topology that a user named, still to be read."""

    path: Path


class LoadedTopology(NamedTuple):
    """`problems`: number of a source → what is wrong with its topology, which is not used then."""

    topology: Topology | None
    problems: dict[int, Problem]


def topology_of(sources: Sequence[Source], given: Topology | TopologyFile | None) -> LoadedTopology:
    """The given topology, else those that lie beside the sources, joined.

    A damaged file is a problem of its source; raises UnreadableInput for one that cannot be opened.
    """
    if isinstance(given, TopologyFile):
        return _load({0: given.path})
    if given is not None:
        return LoadedTopology(given, {})
    paths = {number: topology_path(source.path) for number, source in enumerate(sources) if source.path is not None}
    return _load({number: path for number, path in paths.items() if _is_file(path)})


def _load(paths: dict[int, Path]) -> LoadedTopology:
    topologies: list[Topology] = []
    problems: dict[int, Problem] = {}
    for number, path in paths.items():
        try:
            topologies.append(Topology.load(path))
        except OSError as error:
            raise unreadable(path, error) from error
        except ValueError as error:  # its message has the path
            problems[number] = Problem(UNREADABLE_TOPOLOGY, 0, f"{error}; the report goes without names from it")
    return LoadedTopology(reduce(Topology.joined, topologies) if topologies else None, problems)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the capture's name is so long that there is no room for the ending
        return False
