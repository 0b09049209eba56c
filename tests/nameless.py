"""The same capture without anything that gives the answer away: interfaces are if0, if1, …, no names, no topology."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

_INTERFACE, _NAMES, _SECTION = 1, 4, 0x0A0D0D0A
_IF_NAME, _IF_DESCRIPTION, _COMMENT, _END = 2, 3, 1, 0
_IF_HARDWARE, _IF_OS, _IF_FILTER = 15, 12, 11


def nameless(capture: Path, folder: Path) -> Path:
    """Writes `folder/saved.pcapng` from a little-endian pcapng and returns its path."""
    copy = folder / "saved.pcapng"
    copy.write_bytes(b"".join(_stripped(capture.read_bytes())))
    return copy


def _stripped(data: bytes) -> Iterator[bytes]:
    at = interfaces = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        body = data[at + 8 : at + length - 4]
        at += length
        if kind == _NAMES:
            continue
        if kind == _INTERFACE:
            body = body[:8] + _options(body[8:], f"if{interfaces}")
            interfaces += 1
        elif kind == _SECTION:
            body = body[:16]
        yield struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def _options(options: bytes, name: str) -> bytes:
    """An interface's options (resolution, snap length …) with another name and nothing in words."""
    kept = _option(_IF_NAME, name.encode())
    at = 0
    while at + 4 <= len(options):
        code, length = struct.unpack_from("<HH", options, at)
        value = options[at + 4 : at + 4 + length]
        at += 4 + (length + 3 & ~3)
        if code == _END:
            break
        if code not in (_IF_NAME, _IF_DESCRIPTION, _COMMENT, _IF_HARDWARE, _IF_OS, _IF_FILTER):
            kept += _option(code, value)
    return kept + _option(_END, b"")


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)
