"""The bundle: one pcapng with an interface block per point, and the topology beside it.

Packets of all points are in time order; each interface has its point's name, description, MAC and drop counts;
addresses that mean one thing only have their names in a name resolution block.
"""

from __future__ import annotations

import errno
import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from operator import itemgetter
from pathlib import Path

from capnet import __version__
from capnet.record.taps.capture_process import CaptureProcess
from capnet.record.taps.listening import SNAPLEN
from capnet.topology import Topology, topology_path
from capnet.wire.capture import open_capture
from capnet.wire.formats import pcapng_writer as pcapng


def write(path: Path, captures: Sequence[CaptureProcess], topology: Topology, *, snaplen: int = SNAPLEN) -> Path:
    """Writes `path` and its topology; both or neither, as far as a file system allows. Returns `path`.

    Raises OSError; what was there before is then still there, whole.
    """
    blocks = b"".join(_blocks(captures, topology, snaplen))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished_files = {final.resolve(): _unfinished(final) for final in (path, topology_path(path))}
    capture_file, topology_file = unfinished_files.values()
    try:
        topology.save(topology_file)
        capture_file.write_bytes(blocks)
        for final, unfinished in reversed(unfinished_files.items()):  # the capture last, when its topology exists
            unfinished.replace(final)
    finally:
        for unfinished in unfinished_files.values():
            unfinished.unlink(missing_ok=True)
    return path


def check_writable(path: Path) -> None:
    """Raises OSError where a bundle cannot be written at `path`. It tries to write, before anything is captured.

    Files and folders that it makes for that are removed.
    """
    missing = [folder for folder in path.absolute().parents if not folder.exists()]
    made: list[Path] = []
    try:
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            made.append(folder)
        for final in (path, topology_path(path)):
            if final.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(final))
            unfinished = _unfinished(final)
            unfinished.write_bytes(b"")
            unfinished.unlink()
    finally:
        for folder in reversed(made):
            with suppress(OSError):  # another process has put something there meanwhile
                folder.rmdir()


def _unfinished(path: Path) -> Path:
    """Beside the file that it becomes, behind a symbolic link if that is one; two runs have two."""
    path = path.resolve()
    return path.with_name(f".{path.name}.{os.getpid()}.new")


def _blocks(captures: Sequence[CaptureProcess], topology: Topology, snaplen: int) -> Iterator[bytes]:
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
    packets = sorted(_packets(captures), key=itemgetter(0))  # stable: ties keep their order
    delivered = Counter(number for _, number, _, _ in packets)
    for time, number, wirelen, data in packets:
        yield pcapng.packet(number, time, data, wire_length=wirelen)
    for number, capture in enumerate(captures):
        yield pcapng.statistics(
            number,
            capture.ended_ns or (packets[-1][0] if packets else 0),
            start_ns=capture.started_ns,
            end_ns=capture.ended_ns,
            received=capture.received,
            interface_dropped=capture.interface_dropped,
            kernel_dropped=capture.dropped,
            delivered=delivered[number],
        )


def _packets(captures: Sequence[CaptureProcess]) -> Iterator[tuple[int, int, int, bytes]]:
    """(time in ns, number of the point, length on the wire, bytes) of every packet, point by point."""
    for number, capture in enumerate(captures):
        with open_capture(capture.path) as source:
            for record in source.records():
                yield record.time, number, record.wirelen, bytes(record.data)


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
