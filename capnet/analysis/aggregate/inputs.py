"""What a report says of the files themselves: an input for each, and a point for each of its interfaces."""

from __future__ import annotations

from capnet.analysis.core.results import Input, Point, Problem
from capnet.analysis.core.sources import Source
from capnet.topology import Topology, role_from_name
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


def points_of(source: Source, capture: Capture, taken: set[str], topology: Topology | None) -> list[Point]:
    """The points of a source, one per interface; `taken`: names that others have; `topology` knows their roles."""
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
                role=_role(unique, topology),
                first=interface.first,
                last=interface.last,
            )
        )
    return points


def _role(name: str, topology: Topology | None) -> str:
    listening = topology.point(name) if topology else None
    return listening.role if listening else role_from_name(name)
