"""Recorded captures with packets taken out, so that what must be said of the rest is known by construction.

Reads and writes pcapng apart from capnet's own code: enhanced packet blocks of one section, as stored captures have.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN  # noqa: F401 - registers its UDP port
from scapy.packet import Packet as ScapyPacket

PACKET_BLOCK = 6
Tuple = tuple[str, int, str, int]  # source, port, destination, port; ICMP without ports


class Record(NamedTuple):
    """One packet block of a capture."""

    point: int  # number of its interface
    tuples: frozenset[Tuple]  # of its IP headers, outermost and inside tunnels
    block: bytes

    @property
    def frame(self) -> bytes:
        """The frame, as much of it as was recorded."""
        return self.block[28 : 28 + int.from_bytes(self.block[20:24], "little")]

    @property
    def length(self) -> int:
        """Octets of the frame on the wire."""
        return int.from_bytes(self.block[24:28], "little")


class Capture(NamedTuple):
    """A capture file: what stands before its packets, and its packets."""

    head: bytes
    records: tuple[Record, ...]

    def without(self, is_gone: Callable[[Record], bool]) -> Capture:
        """The capture as if these packets had never been recorded."""
        return Capture(self.head, tuple(record for record in self.records if not is_gone(record)))

    def write(self, path: Path) -> Path:
        path.write_bytes(self.head + b"".join(record.block for record in self.records))
        return path


@cache
def capture(path: Path) -> Capture:
    """The packets of a stored capture."""
    head, records = b"", []
    for kind, block in _blocks(path.read_bytes()):
        if kind == PACKET_BLOCK:
            point, _, _, length = struct.unpack_from("<IIII", block, 8)
            records.append(Record(point, _tuples(block[28 : 28 + length]), block))
        elif not records:
            head += block
    return Capture(head, tuple(records))


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        yield kind, data[at : at + size]
        at += size


def _tuples(frame: bytes) -> frozenset[Tuple]:
    packet: ScapyPacket | None = Ether(frame)
    tuples = set()
    while packet is not None and packet.payload:
        if isinstance(packet, IP | IPv6):
            inside = packet.payload
            sport, dport = (inside.sport, inside.dport) if isinstance(inside, TCP | UDP) else (0, 0)
            tuples.add((packet.src, sport, packet.dst, dport))
            if isinstance(inside, ICMP):
                break  # what an ICMP error quotes was not there
        packet = packet.payload
    return frozenset(tuples)
