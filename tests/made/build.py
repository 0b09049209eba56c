"""Capture files from packets: pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), byte by byte.

Written for the tests only and on purpose apart from capnet's own reader and writer.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Iterable
from pathlib import Path

SECOND = 1_700_000_000  # time of the first frame; each following one is 1.000001 s later, unless it says otherwise
STEP_NS = 1_000_001_000
ETHERNET, NULL, RAW, LOOP, SLL, IPV4, SLL2, IPV6, NFLOG = 1, 0, 101, 108, 113, 228, 276, 229, 239

A, B, C = "02:42:ac:11:00:02", "02:42:ac:11:00:03", "02:42:c0:a8:6f:80"


def all_captures() -> dict[str, bytes]:
    """File name → content of everything that the scripts of this folder make."""
    captures: dict[str, bytes] = {}
    for script in sorted(Path(__file__).parent.glob("make_*.py")):
        captures |= importlib.import_module(f"tests.made.{script.stem}").captures()
    return captures


def moment(index: int) -> int:
    """Nanoseconds since 1970 of the frame with this index."""
    return SECOND * 1_000_000_000 + index * STEP_NS


def pcap(
    frames: Iterable[object],
    linktype: int = ETHERNET,
    order: str = "<",
    nanoseconds: bool = False,
    snaplen: int = 262_144,
    high_bits: int = 0,
) -> bytes:
    """A pcap file. Frames are bytes or scapy packets; what is longer than `snaplen` is cut."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, linktype | high_bits)]
    for index, frame in enumerate(frames):
        data = bytes(frame)  # type: ignore[call-overload]
        second, rest = divmod(moment(index), 1_000_000_000)
        kept = data[:snaplen]
        out.append(struct.pack(order + "IIII", second, rest if nanoseconds else rest // 1000, len(kept), len(data)))
        out.append(kept)
    return b"".join(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """Any pcapng block."""
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + size + body + size


def options(given: list[tuple[int, bytes]], order: str = "<") -> bytes:
    """Options of a block, with the end marker; nothing at all if there are none."""
    if not given:
        return b""
    out = [struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in given]
    return b"".join(out) + bytes(4)


def section(order: str = "<", length: int = -1, given: list[tuple[int, bytes]] | None = None) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, length) + options(given or [], order), order)


def interface(
    name: str,
    linktype: int = ETHERNET,
    order: str = "<",
    snaplen: int = 262_144,
    resolution: int | None = None,
    offset: int | None = None,
) -> bytes:
    """An interface description. `resolution` is the raw if_tsresol octet, `offset` the seconds of if_tsoffset."""
    given = [(2, name.encode())]
    if resolution is not None:
        given.append((9, bytes([resolution])))
    if offset is not None:
        given.append((14, struct.pack(order + "q", offset)))
    return block(1, struct.pack(order + "HHI", linktype, 0, snaplen) + options(given, order), order)


def packet(
    frame: object,
    ticks: int,
    number: int = 0,
    order: str = "<",
    snaplen: int = 262_144,
    given: list[tuple[int, bytes]] | None = None,
) -> bytes:
    """An enhanced packet block at `ticks` of interface `number`'s clock."""
    data = bytes(frame)  # type: ignore[call-overload]
    kept = data[:snaplen]
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(kept), len(data))
    return block(6, head + kept + bytes(-len(kept) % 4) + options(given or [], order), order)


def simple_packet(frame: object, order: str = "<", snaplen: int = 262_144) -> bytes:
    data = bytes(frame)  # type: ignore[call-overload]
    return block(3, struct.pack(order + "I", len(data)) + data[:snaplen], order)


def obsolete_packet(frame: object, ticks: int, number: int = 0, drops: int = 0xFFFF, order: str = "<") -> bytes:
    """The packet block that the enhanced one replaced."""
    data = bytes(frame)  # type: ignore[call-overload]
    head = struct.pack(order + "HHIIII", number, drops, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(2, head + data, order)
