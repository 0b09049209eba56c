"""Blocks of pcapng that are no packets, in either byte order, turned into the other one where files become one."""

from __future__ import annotations

import struct
from typing import Any

from capnet.wire.formats import pcapng

# Options of an interface block that are numbers, and how many octets they have; the others are the same in any order.
INTERFACE_NUMBERS = {8: 8, 10: 4, 14: 8, 16: 8, 17: 8}
_STATISTICS_NUMBERS = (4, 5, 6, 7, 8)
_STATISTICS_TIMES = (2, 3)


def order_of(big: bool) -> Any:
    """The byte order's name for int.from_bytes."""
    return "big" if big else "little"


def kind_of(block: bytes, big: bool) -> int:
    """The block's type."""
    return int.from_bytes(block[:4], order_of(big))


def made_block(kind: int, body: bytes, options: list[tuple[int, bytes]], big: bool) -> bytes:
    """A whole block of this type, with its options padded and its length at both ends."""
    order = ">" if big else "<"
    given = b"".join(
        struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in options
    )
    if given:
        given += bytes(4)
    length = 12 + len(body) + len(given)
    return struct.pack(order + "II", kind, length) + body + given + struct.pack(order + "I", length)


def statistics(block: bytes, big: bool, number: int) -> bytes:
    """An interface statistics block for interface `number`, little endian."""
    if not big:
        return block[:8] + struct.pack("<I", number) + block[12:]
    options = [(code, _turned_statistic(code, value)) for code, value in pcapng.options(block[20:-4], big)]
    return made_block(
        pcapng.INTERFACE_STATISTICS, struct.pack("<I", number) + _turned_time(block[12:20]), options, False
    )


def _turned_statistic(code: int, value: bytes) -> bytes:
    if code in _STATISTICS_TIMES:
        return _turned_time(value)
    return value[::-1] if code in _STATISTICS_NUMBERS else value


def _turned_time(value: bytes) -> bytes:
    """A timestamp is two words, the upper one first in either byte order."""
    return value[:4][::-1] + value[4:8][::-1]


def turned_names(block: bytes) -> bytes:
    """A name resolution block in the other byte order. Only its lengths and types are numbers."""
    big = int.from_bytes(block[:4], "big") == pcapng.NAME_RESOLUTION
    was, order = (">", "<") if big else ("<", ">")
    out, at, end = b"", 8, len(block) - 4
    while at + 4 <= end:
        kind, length = struct.unpack_from(was + "HH", block, at)
        padded = length + 3 & ~3
        if kind == 0 or at + 4 + padded > end:
            break
        out += struct.pack(order + "HH", kind, length) + block[at + 4 : at + 4 + padded]
        at += 4 + padded
    return made_block(pcapng.NAME_RESOLUTION, out + bytes(4), [], not big)


def encodable(text: str) -> str:
    """`text` without what UTF-8 cannot hold: an argument may carry bytes that are no text."""
    return text.encode("utf-8", "replace").decode()


def is_mac(key: str) -> bool:
    """Whether a name's key is a MAC, not an IP address."""
    return len(key) == 17 and key.count(":") == 5
