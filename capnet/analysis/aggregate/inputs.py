"""What is known of the files themselves: one input each, a point for each interface, the topology that lies beside."""

from __future__ import annotations

from pathlib import Path

from capnet.analysis.core.results import Input, Point, Problem
from capnet.analysis.core.sources import Source
from capnet.errors import UnreadableInput
from capnet.topology import Topology, topology_path
from capnet.wire.capture import Capture
from capnet.wire.formats.linktypes import linktype_name


def input_of(source: Source, capture: Capture) -> Input:
    """A source that was read to its end."""
    spans = [(i.first, i.last) for i in capture.interfaces if i.first is not None and i.last is not None]
    return Input(
        file=source.label,
        format=capture.format,
        compression=capture.compression,
        bytes=capture.size,
        packets=capture.packets,
        first=min((first for first, _ in spans), default=None),
        last=max((last for _, last in spans), default=None),
        problems=[Problem(each.name, each.offset, each.says) for each in capture.problems],
    )


def points_of(source: Source, capture: Capture, taken: set[str]) -> list[Point]:
    """The points of a source, one per interface; `taken`: names that others have."""
    taken = set(taken)
    points = []
    stem = source.point_name or (source.path.name.split(".")[0] if source.path else "stdin")
    interfaces = capture.interfaces
    copies: dict[str, int] = {}
    for index, interface in enumerate(interfaces):
        if source.point_name and len(interfaces) == 1:
            name = source.point_name
        elif interface.name and not source.point_name and interface.name not in taken:
            name = interface.name
        elif interface.name:
            name = f"{stem}/{interface.name}"
        else:
            name = stem if len(interfaces) == 1 else f"{stem}/if{index}"
        unique = name
        while unique in taken:
            copies[name] = copies.get(name, 1) + 1
            unique = f"{name}#{copies[name]}"
        taken.add(unique)
        points.append(
            Point(
                name=unique,
                file=source.label,
                interface=index,
                linktype=linktype_name(interface.linktype),
                packets=interface.packets,
                bytes=interface.bytes,
                dropped=interface.dropped,
                role="unknown",
                first=interface.first,
                last=interface.last,
            )
        )
    return points


def topology_beside(sources: list[Source]) -> Topology | None:
    """The topologies that lie beside the sources, as one; None if there is none."""
    found = None
    for source in sources:
        if source.path is None:
            continue
        path = topology_path(source.path)
        if _is_file(path):
            try:
                more = Topology.load(path)
            except OSError as error:
                raise UnreadableInput(f"{path}: {error.strerror or error}") from error
            except ValueError as error:
                hint = "mend it or move it away: all but names works without it"
                raise UnreadableInput(f"{error}; {hint}") from error
            found = more if found is None else found.joined(more)
    return found


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a capture's name so long that there is no room for the ending
        return False
