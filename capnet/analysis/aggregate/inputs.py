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
        problems=[Problem(problem.name, problem.offset, problem.says) for problem in capture.problems],
    )


def points_of(source: Source, capture: Capture, taken: set[str], topology: Topology | None) -> list[Point]:
    """The points of a source, one per interface; `taken`: names that others have; `topology` knows their roles."""
    taken = set(taken)
    points = []
    interfaces = capture.interfaces
    uses: dict[str, int] = {}
    for index, interface in enumerate(interfaces):
        wanted = _point_name(source, interface.name or "", index, len(interfaces), taken)
        name = wanted
        while name in taken:
            uses[wanted] = uses.get(wanted, 1) + 1
            name = f"{wanted}#{uses[wanted]}"
        taken.add(name)
        points.append(
            Point(
                name=name,
                file=source.label,
                interface=index,
                linktype=linktype_name(interface.linktype),
                packets=interface.packets,
                bytes=interface.bytes,
                dropped=interface.dropped,
                role=_role(name, topology),
                first=interface.first,
                last=interface.last,
            )
        )
    return points


def _point_name(source: Source, interface: str, index: int, interfaces: int, taken: set[str]) -> str:
    """What a point is called: as the user said, as its interface is called, or as its file."""
    stem = source.point_name or (source.path.name.split(".")[0] if source.path else "stdin")
    if interfaces == 1 and (source.point_name or not interface):
        return stem
    if not interface:
        return f"{stem}/if{index}"
    is_free = not source.point_name and interface not in taken
    return interface if is_free else f"{stem}/{interface}"


def _role(name: str, topology: Topology | None) -> str:
    listening = topology.point(name) if topology else None
    return listening.role if listening else role_from_name(name)
