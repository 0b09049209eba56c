"""Messages of nfnetlink and their attributes, as the kernel takes and sends them (linux/netfilter/nfnetlink.h).

Part of programs that run on other machines: it needs Python's standard library only.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

NETLINK_NETFILTER, NESTED = 12, 0x8000


def attribute(kind: int, data: bytes) -> bytes:
    """A netlink attribute, padded to four octets."""
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def nested(kind: int, *parts: bytes) -> bytes:
    """An attribute that holds others."""
    return attribute(kind | NESTED, b"".join(parts))


def text(kind: int, value: str) -> bytes:
    """An attribute that holds a string."""
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int, octets: int = 4) -> bytes:
    """An attribute that holds a number in network order."""
    return attribute(kind, value.to_bytes(octets, "big", signed=value < 0))


def message(kind: int, flags: int, sequence: int, family: int, payload: bytes, subsystem: int = 0) -> bytes:
    """A message of nfnetlink."""
    body = struct.pack("=BBH", family, 0, socket.htons(subsystem)) + payload
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body


def attributes(data: bytes) -> dict[int, bytes]:
    """Kind → data of the attributes in a message."""
    by_kind, at = {}, 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        by_kind[kind & 0x3FFF] = data[at + 4 : at + length]
        at += length + (-length % 4)
    return by_kind


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(kind, family, payload) of each message that was received."""
    at = 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        if length < 16:
            break
        yield kind, data[at + 16] if length > 16 else 0, data[at + 16 : at + length]
        at += length + (-length % 4)


def name_of(data: bytes) -> str:
    """A string of netlink."""
    return data.rstrip(b"\0").decode(errors="replace")


def netlink() -> socket.socket:
    """A socket of nfnetlink."""
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    link.bind((0, 0))
    return link
