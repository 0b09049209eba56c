"""Blocks of the merged pcapng that are no packets: what it begins with, and the counters that it ends with."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

from capnet import __version__
from capnet.record.bundle.bundle import address_names, mac_names
from capnet.record.find.capture_points import CapturePoint
from capnet.topology import Topology
from capnet.wire.formats import pcapng_writer as pcapng


@dataclass(frozen=True)
class PointCounts:
    """What is known of a point's capture when a file ends. Times in ns since 1970, by the clock of its machine."""

    started_ns: int | None = None
    ended_ns: int | None = None
    received: int | None = None
    dropped: int | None = None
    interface_dropped: int | None = None


def heading(points: Sequence[CapturePoint], linktypes: Sequence[int], topology: Topology, snaplen: int) -> bytes:
    """The section header, an interface block for each point in their order, and the names of addresses."""
    blocks = [pcapng.section(os=f"{platform.system()} {platform.release()}", userappl=f"capnet {__version__}")]
    blocks += [interface_block(point, linktype, snaplen) for point, linktype in zip(points, linktypes, strict=True)]
    blocks.append(pcapng.names(address_names(topology), mac_names(topology)))
    return b"".join(blocks)


def interface_block(point: CapturePoint, linktype: int, snaplen: int) -> bytes:
    """The interface description block of a point."""
    return pcapng.interface(
        point.name,
        description=point.describes,
        mac=point.mac,
        capture_filter=point.capture_filter,
        linktype=linktype,
        snaplen=snaplen,
    )


def counters(counts: Sequence[PointCounts], delivered: Sequence[int], now_ns: int) -> bytes:
    """An interface statistics block for each point; `delivered` is how many packets of it the file holds."""
    return b"".join(
        pcapng.statistics(
            number,
            count.ended_ns or now_ns,
            start_ns=count.started_ns,
            end_ns=count.ended_ns,
            received=count.received,
            interface_dropped=count.interface_dropped,
            kernel_dropped=count.dropped,
            delivered=packets,
        )
        for number, (count, packets) in enumerate(zip(counts, delivered, strict=True))
    )
