"""The bundle: one pcapng with an interface block per point, and the topology beside it.

Packets of all points are in time order; each interface has its point's name, description, MAC and drop counts;
addresses that mean one thing only have their names in a name resolution block.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from capnet import __version__, whole_file
from capnet.record.bundle.merge import Merge
from capnet.record.find.capture_points import CapturePoint
from capnet.record.taps.capture_program import SNAPLEN
from capnet.topology import Topology, topology_path
from capnet.whole_file import make_folder, whole
from capnet.wire.formats import pcapng_writer as pcapng


class FinishedCapture(Protocol):
    """What a bundle needs of a capture: a `CaptureProcess` that has ended has it."""

    point: CapturePoint
    path: Path
    started_ns: int | None
    ended_ns: int | None
    received: int | None
    dropped: int | None
    interface_dropped: int | None


def write(path: Path, captures: Sequence[FinishedCapture], topology: Topology, *, snaplen: int = SNAPLEN) -> Path:
    """Writes `path` and its topology; both or neither, as far as a file system allows. Returns `path`.

    Only their owner can read them. Raises OSError; what was there before is then still there, whole.
    """
    make_folder(path.absolute().parent)
    # The capture is replaced last, when its topology exists.
    with whole(path, private=True) as file, whole(topology_path(path), private=True) as topology_file:
        topology_file.write(topology.to_json().encode())
        for block in blocks(captures, topology, snaplen):
            file.write(block)
    return path


def check_writable(path: Path) -> None:
    """Raises OSError where a bundle cannot be written at `path`. It tries to write, before anything is captured."""
    for final in (path, topology_path(path)):
        whole_file.check_writable(final)


def blocks(
    captures: Sequence[FinishedCapture], topology: Topology, snaplen: int = SNAPLEN
) -> Iterator[bytes | memoryview]:
    """The bundle, piece by piece; a piece is valid until the next one is asked for."""
    yield pcapng.section(
        os=f"{platform.system()} {platform.release()}",
        userappl=f"capnet {__version__}",
        comment=f"capnet scenario {topology.scenario}" if topology.scenario else "",
    )
    for capture in captures:
        yield pcapng.interface(
            capture.point.name,
            description=capture.point.describes,
            mac=capture.point.mac,
            capture_filter=capture.point.capture_filter,
            snaplen=snaplen,
        )
    yield pcapng.names(address_names(topology), mac_names(topology))
    with Merge([capture.path for capture in captures]) as merge:
        yield from merge.pieces()
        for number, capture in enumerate(captures):
            yield pcapng.statistics(
                number,
                capture.ended_ns or merge.newest_ns,
                start_ns=capture.started_ns,
                end_ns=capture.ended_ns,
                received=capture.received,
                interface_dropped=capture.interface_dropped,
                kernel_dropped=capture.dropped,
                delivered=merge.written(number),
            )


def address_names(topology: Topology) -> list[tuple[str, str]]:
    """(address, name) for the name resolution block, which knows no hosts.

    An address that several hosts own on an interface of the same name (172.17.0.1 on every docker0) gets that
    interface's name; one that means different things is left out.
    """
    owners: dict[str, set[str]] = {}
    for _, address, name in topology.addresses():
        owners.setdefault(address, set()).add(name)
    for address, names in owners.items():
        if len(names) > 1 and all("/" in name for name in names):
            owners[address] = {name.rpartition("/")[2] for name in names}
    return _unambiguous(owners)


def mac_names(topology: Topology) -> list[tuple[str, str]]:
    """(MAC, name): a container's interfaces by the container's name, a host's own as `HOST/INTERFACE`.

    Left out: what two owners share (Docker made MACs of addresses up to version 27), and veth ends, which
    send nothing themselves.
    """
    owners: dict[str, set[str]] = {}
    for container in topology.containers:
        for endpoint in container.endpoints:
            if endpoint.mac:
                owners.setdefault(endpoint.mac, set()).add(container.name)
    for host in topology.hosts:
        for interface in host.interfaces:
            if interface.mac and interface.addresses and interface.name != "lo" and not interface.master:
                owners.setdefault(interface.mac, set()).add(f"{host.name}/{interface.name}")
    return _unambiguous(owners)


def _unambiguous(owners: dict[str, set[str]]) -> list[tuple[str, str]]:
    return sorted((key, next(iter(names))) for key, names in owners.items() if len(names) == 1)
