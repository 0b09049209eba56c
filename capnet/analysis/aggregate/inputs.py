"""What a report says of the files themselves: an input for each, and a point for each of its interfaces."""

from __future__ import annotations

from capnet.analysis.core.point_names import PointName, file_stem, name_of_point, name_of_stem
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
        wanted, named_by = _point_name(source, interface.name or "", index, len(interfaces), taken)
        name = wanted.name
        while name in taken:
            uses[wanted.name] = uses.get(wanted.name, 1) + 1
            name = f"{wanted.name}#{uses[wanted.name]}"
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
                host=wanted.host,
                container=wanted.container,
                device=wanted.device,
                named_by=named_by,
            )
        )
    return points


def _point_name(source: Source, interface: str, index: int, interfaces: int, taken: set[str]) -> tuple[PointName, str]:
    """What a point is called, and by what: as the user said, as its interface is called, or as its file.

    The name of a file may have a host before the interface. It counts beside an interface block that has no host.
    """
    if source.point_name:
        name = source.point_name
        return name_of_point(name if interfaces == 1 else f"{name}/{interface or f'if{index}'}"), "given"
    if source.path is None:
        stem, by_file = "stdin", PointName("stdin")
    else:
        stem = file_stem(source.path.name)
        by_file = name_of_stem(stem)
    if interfaces == 1 and (not interface or interface == by_file.device):
        return by_file, "file"
    if not interface:
        return name_of_point(f"{stem}/if{index}"), "file"
    if interfaces == 1 and "/" not in interface and (owner := by_file.host or by_file.container):
        owner = by_file.name.rpartition("/")[0] or owner
        return name_of_point(f"{owner}/{interface}"), "interface"
    if interface not in taken:
        return name_of_point(interface), "interface"
    return name_of_point(f"{stem}/{interface}"), "interface"


def _role(name: str, topology: Topology | None) -> str:
    listening = topology.point(name) if topology else None
    return listening.role if listening else role_from_name(name)
