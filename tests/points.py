"""The points of a capture as files of their own, with names that say something or nothing."""

from __future__ import annotations

import struct
from pathlib import Path

from capnet import open_capture

_NANOSECONDS, _COOKED_V2 = 0xA1B23C4D, 276  # tcpdump.org: pcap-savefile, linktypes


def split(capture: Path, folder: Path, *, named: bool) -> list[Path]:
    """A pcap file for each interface that has packets: `A__docker0.pcap`, or `0.pcap`, `1.pcap`, …"""
    folder.mkdir()
    with open_capture(capture) as opened:
        written: dict[int, bytes] = {}
        for record in opened.records():
            head = _head(opened.interfaces[record.interface].linktype)
            written[record.interface] = written.get(record.interface, head) + _record(
                record.time, bytes(record.data), record.wirelen
            )
        names = [interface.name.replace("/", "__") for interface in opened.interfaces]
    paths = []
    for number, octets in sorted(written.items()):
        paths.append(folder / f"{names[number] if named else number}.pcap")
        paths[-1].write_bytes(octets)
    return paths


def merged_at_any(capture: Path, path: Path, host: str) -> Path:
    """One file of all interfaces of a host's own namespace, as a capture at `any` records them (cooked, version 2)."""
    with open_capture(capture) as opened:
        heard = [(record.time, record.interface, bytes(record.data), record.wirelen) for record in opened.records()]
        names = [interface.name for interface in opened.interfaces]
    records = []
    for time, interface, frame, length in heard:
        if names[interface].startswith(f"{host}/") and names[interface].count("/") == 1:
            head = struct.pack(">2sHIHBB6sH", frame[12:14], 0, interface + 1, 1, 0, 6, frame[6:12], 0)
            records.append((time, head + frame[14:], length + 6))
    records.sort(key=lambda record: record[0])
    path.write_bytes(_head(_COOKED_V2) + b"".join(_record(*record) for record in records))
    return path


def _head(linktype: int) -> bytes:
    return struct.pack("<IHHiIII", _NANOSECONDS, 2, 4, 0, 0, 1 << 18, linktype)


def _record(time: int, octets: bytes, length: int) -> bytes:
    return struct.pack("<IIII", *divmod(time, 10**9), len(octets), length) + octets
