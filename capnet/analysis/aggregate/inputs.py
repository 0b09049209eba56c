"""What a report says of the files themselves: an input for each, and a point for each of its interfaces."""

from __future__ import annotations

from capnet.analysis.core.point_names import PointName, file_stem, name_of_point, name_of_stem
from capnet.analysis.core.results import Input, Point, Problem
from capnet.analysis.core.sources import Source
from capnet.topology import Topology, role_from_name
from capnet.wire.capture import Capture
from capnet.wire.formats.reader import CaptureInterface
from capnet.wire.protocols.linktypes import linktype_name

# What Wireshark and mergecap write as the name of an interface that came from a format without names.
NO_NAME = "Unknown/not available in original file format(libpcap)"
WINDOWS_DEVICE = "\\Device\\NPF_"  # before the GUID of an interface (Npcap)
LOOPBACK_IFINDEX = 1  # as include/net/flow.h of Linux has it; the kernel insists on it
MAX_STATISTICS_ERROR_NS = 1_000_000_000  # frames on the way through the kernel when the capture ends


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
    count = max((interface.number for interface in interfaces), default=0) + 1
    for interface in interfaces:
        wanted, named_by = _point_name(source, _interface_name(interface), interface.number, count, taken)
        if interface.ifindex is not None:
            wanted, named_by = _name_at_any(interface.ifindex, wanted, topology), "interface"
        name = wanted.name
        while name in taken:
            uses[wanted.name] = uses.get(wanted.name, 1) + 1
            name = f"{wanted.name}#{uses[wanted.name]}"
        taken.add(name)
        started, ended = _listening_times(interface)
        points.append(
            Point(
                name=name,
                file=source.label,
                interface=interface.number,
                linktype=linktype_name(interface.linktype),
                packets=interface.packets,
                bytes=interface.bytes,
                dropped=interface.dropped,
                role=_role(name, topology),
                first=interface.first,
                last=interface.last,
                started=started,
                ended=ended,
                host=wanted.host,
                container=wanted.container,
                device=wanted.device,
                named_by=named_by,
                ifindex=interface.ifindex,
                last_file=source.parts[-1].label if source.later else None,
            )
        )
    return points


def _listening_times(interface: CaptureInterface) -> tuple[int | None, int | None]:
    """When the capture began and ended by its own statistics; None if it does not say, or cannot be believed.

    Programs that cut a file down (editcap, Wireshark's export) keep the statistics of the whole: what is not in the
    file any more was not absent.
    """
    if interface.ifindex is not None:
        return None, None  # an interface may have been made later, and statistics are of all together
    first, last = interface.first, interface.last
    started, ended = interface.started, interface.ended
    if interface.delivered is not None:
        is_whole = interface.packets >= interface.delivered
    else:
        is_whole = interface.packets + (interface.dropped or 0) >= (interface.received or 0)
    if started is None or ended is None or not is_whole or started > ended:
        return None, None
    if first is None or last is None:
        return started, ended
    if first < started - MAX_STATISTICS_ERROR_NS or last > ended + MAX_STATISTICS_ERROR_NS:
        return None, None
    return min(started, first), max(ended, last)


def _stem(source: Source) -> str:
    """The name of a file without what does not name its point."""
    if source.path is None:
        return "stdin"
    if not source.later:
        return file_stem(source.path.name)
    from capnet.analysis.core.rings.file_names import ring_stem

    return ring_stem(source.path)


def _interface_name(interface: CaptureInterface) -> str:
    """What an interface is called, empty without a name: on Windows, as the user knows it instead of by its GUID."""
    name, description = interface.name or "", interface.description or ""
    if name == NO_NAME:
        return ""
    return description if name.startswith(WINDOWS_DEVICE) and description and "/" not in description else name


def _point_name(source: Source, interface: str, index: int, interfaces: int, taken: set[str]) -> tuple[PointName, str]:
    """What a point is called, and by what: as the user said, as its interface is called, or as its file.

    The name of a file may have a host before the interface. It counts beside an interface block that has no host.
    """
    if source.point_name:
        name = source.point_name
        return name_of_point(name if interfaces == 1 else f"{name}/{interface or f'if{index}'}"), "given"
    stem = _stem(source)
    if interfaces > 1:
        by_file = name_of_point(f"{stem}/if{index}")
    else:
        by_file = name_of_stem(stem) if source.path else PointName(stem)
    if interface in ("", by_file.name) or (interfaces == 1 and interface == by_file.device):
        return by_file, "file"
    if interfaces == 1 and "/" not in interface and (by_file.host or by_file.container):
        owner = by_file.name.rpartition("/")[0] or by_file.name
        return name_of_point(f"{owner}/{interface}"), "interface"
    return name_of_point(f"{stem}/{interface}" if interface in taken else interface), "interface"


def _name_at_any(ifindex: int, wanted: PointName, topology: Topology | None) -> PointName:
    """The name of one interface that a capture at `any` heard: the host's, if the topology has it, or else its index.

    The first one of each network namespace is its loopback. `wanted`: the name of the whole capture.
    """
    hosts = topology.hosts if topology else []
    names = [
        (host.name, interface.name)
        for host in hosts
        if len(hosts) == 1 or host.name == wanted.host
        for interface in host.interfaces
        if interface.ifindex == ifindex
    ]
    if len(names) == 1:
        return name_of_point("/".join(names[0]))
    owner = wanted.host or ("" if wanted.device else wanted.name)
    device = "lo" if ifindex == LOOPBACK_IFINDEX else f"if{ifindex}"
    return name_of_point(f"{owner}/{device}" if owner else device)


def _role(name: str, topology: Topology | None) -> str:
    listening = topology.point(name) if topology else None
    return listening.role if listening else role_from_name(name)
