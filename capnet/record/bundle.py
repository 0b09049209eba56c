"""The bundle: one pcapng with an interface block per point, and the topology beside it.

Packets of all points are in time order; each interface has its point's name, description, MAC and drop counts;
addresses that mean one thing only have their names in a name resolution block.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path

from capnet import __version__
from capnet.record.tap import SNAPLEN, Tap
from capnet.topology import Topology, topology_path
from capnet.wire import pcapng_writer as pcapng
from capnet.wire.capture import open_capture


def write(path: Path, taps: Sequence[Tap], topology: Topology, *, snaplen: int = SNAPLEN) -> Path:
    """Writes `path` and its topology; both or neither, as far as a file system allows. Returns `path`."""
    blocks = b"".join(_blocks(taps, topology, snaplen))
    path.parent.mkdir(parents=True, exist_ok=True)
    topology.save(topology_path(path))
    path.write_bytes(blocks)
    return path


def _blocks(taps: Sequence[Tap], topology: Topology, snaplen: int) -> Iterator[bytes]:
    yield pcapng.section(
        os=f"{platform.system()} {platform.release()}",
        userappl=f"capnet {__version__}",
        comment=f"capnet scenario {topology.scenario}" if topology.scenario else "",
    )
    for tap in taps:
        yield pcapng.interface(
            tap.point.name,
            description=tap.point.describes,
            mac=tap.point.mac,
            capture_filter=tap.point.capture_filter,
            snaplen=snaplen,
        )
    yield pcapng.names(address_names(topology), mac_names(topology))
    for time, number, wirelen, data in sorted(_heard(taps), key=itemgetter(0)):  # stable: ties keep their order
        yield pcapng.packet(number, time, data, wire_length=wirelen)
    for number, tap in enumerate(taps):
        yield pcapng.statistics(
            number,
            tap.ended_ns,
            start_ns=tap.started_ns,
            end_ns=tap.ended_ns,
            received=tap.received,
            kernel_dropped=tap.dropped,
        )


def _heard(taps: Sequence[Tap]) -> Iterator[tuple[int, int, int, bytes]]:
    """(time in ns, number of the tap, length on the wire, bytes) of every packet, tap by tap."""
    for number, tap in enumerate(taps):
        with open_capture(tap.path) as capture:
            for record in capture.records():
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
