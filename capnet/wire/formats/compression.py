"""Recognises compressed streams by their first bytes, and decompresses them block by block, never into a file.

Only what is asked for is held, so memory is bounded by the compression's own window: gzip 32 KiB, lz4 4 MiB,
zstd 128 MiB. Larger windows, made by `zstd --long=31`, are refused, as zstd itself does.
"""

from __future__ import annotations

import io
from typing import Any

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}
SUFFIXES = (".gz", ".zst", ".lz4")
CHUNK = 1 << 17  # compressed bytes read at once
PIECE = 1 << 15  # bytes decompressed at once: at most so many are lost before damage; larger ones are no faster


def name_inside(name: str) -> str:
    """`bridge.pcap.gz` → `bridge.pcap`; the name itself if it has no suffix of a compressed file."""
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def detect(head: bytes) -> str | None:
    """`gzip` (RFC 1952), `zstd` (RFC 8878), `lz4` (its frame format), or None, by the first 4 bytes."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def unread(head: bytes) -> str:
    """What is wrong with a file of another compression, and how to unpack it; empty for other files."""
    if head.startswith(b"PK\x03\x04"):
        return "a zip archive; unpack it: unzip FILE"
    for magic, name, program in ((b"\xfd7zXZ\0", "xz", "xz"), (b"BZh", "bzip2", "bzip2")):
        if head.startswith(magic):
            return (
                f"compressed with {name}, which capnet does not read; unpack it: {program} -dc FILE | capnet analyze -"
            )
    return ""


def is_skippable(head: bytes) -> bool:
    """Whether a skippable frame begins with these 4 bytes (RFC 8878 section 3.1.2; lz4 has the same).

    It holds no compressed data. pzstd begins its files with one.
    """
    return 0x184D2A50 <= int.from_bytes(head[:4], "little") <= 0x184D2A5F


def decompressed(name: str, stream: io.RawIOBase) -> io.RawIOBase:
    """A binary stream of what `stream` holds. ModuleNotFoundError if the library is not installed.

    Reading raises EOFError if the stream ends too early, and another exception if it is damaged.
    """
    compressed = io.BufferedReader(stream, CHUNK)
    if name == "gzip":
        import gzip

        return _UpToDamage(gzip.GzipFile(fileobj=compressed, mode="rb"))
    if name == "lz4":
        import lz4.frame

        return _UpToDamage(lz4.frame.LZ4FrameFile(compressed, mode="rb"))
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # Python 3.14
    except ModuleNotFoundError:
        from backports import zstd  # type: ignore[no-redef, unused-ignore]
    return _UpToDamage(zstd.ZstdFile(compressed, "rb"))


class _UpToDamage(io.RawIOBase):
    """A decompressor that first gives the bytes before damage (see PIECE), and then raises."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._error: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        if self._error:
            raise self._error
        got = 0
        try:
            while got < len(into) and (part := self._inner.read1(min(len(into) - got, PIECE))):
                into[got : got + len(part)] = part
                got += len(part)
        except Exception as error:  # zlib.error has no common base with the errors of zstd and lz4
            if not got:
                raise
            self._error = error
        return got

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()
