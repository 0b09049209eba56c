"""Files as capture programs write them, byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path

from capnet.wire.formats import pcapng_writer


def pcap(packets: list[tuple[int, bytes]], order: str = "<", magic: int = 0xA1B23C4D, linktype: int = 1) -> bytes:
    """A pcap of (time in ns, frame); `magic` is that of nanoseconds."""
    unit = 1 if magic == 0xA1B23C4D else 1000
    head = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 262144, linktype)
    return head + b"".join(
        struct.pack(f"{order}4I", time // 10**9, time % 10**9 // unit, len(frame), len(frame) + 1) + frame
        for time, frame in packets
    )


def pcapng(packets: list[tuple[int, bytes]], linktype: int = 1) -> bytes:
    """What dumpcap writes: a section, an interface, packets, and its counters at the end."""
    blocks = [pcapng_writer.section(), pcapng_writer.interface("eth0", linktype=linktype)]
    blocks += [pcapng_writer.packet(0, time, frame, wire_length=len(frame) + 1) for time, frame in packets]
    return b"".join([*blocks, pcapng_writer.statistics(0, 0)])


def append(path: Path, data: bytes) -> None:
    """Makes the file longer."""
    with path.open("ab") as file:
        file.write(data)
