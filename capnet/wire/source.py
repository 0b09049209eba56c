"""Where bytes come from: a file, a compressed file or a stream, read in blocks into one reused buffer."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any, BinaryIO

from capnet.errors import UnreadableInput

BLOCK = 1 << 20


class Source:
    """A growing window on a stream: `buffer[pos:end]` is what has been read and not yet used.

    The buffer is reused: bytes move when `more` is called, and memoryviews of it are only valid until then.
    """

    def __init__(self, stream: BinaryIO, name: str, size: int | None, compression: str | None) -> None:
        self.stream = stream
        self.name = name
        self.size = size  # bytes on disk; None for a stream
        self.compression = compression
        self.buffer = bytearray(BLOCK)
        self.pos = 0
        self.end = 0
        self.read = 0  # uncompressed bytes so far
        self.ended = False
        self.error: str | None = None  # why the stream ended early

    @property
    def offset(self) -> int:
        """Position in the uncompressed stream of `buffer[pos]`."""
        return self.read - (self.end - self.pos)

    def more(self, limit: int) -> bool:
        """Read another block behind what is left; False if nothing came.

        The buffer grows, by doubling and never beyond `limit`, only when it is full of bytes that were really read.
        """
        left = self.end - self.pos
        if left == len(self.buffer):
            if left >= limit:
                return False
            grown = bytearray(min(2 * left, limit))
            grown[:left] = self.buffer
            self.buffer = grown
        elif self.pos:
            self.buffer[:left] = self.buffer[self.pos : self.end]
        self.pos, self.end = 0, left
        if self.ended:
            return False
        view = memoryview(self.buffer)
        try:
            # A pipe gives what it has; a file gives all that is asked for.
            got = self.stream.readinto(view[left:])  # type: ignore[attr-defined]
        except (OSError, EOFError) as error:
            got, self.error = 0, str(error)
        except Exception as error:  # zlib.error has no common base; a broken member ends the stream
            got, self.error = 0, str(error)
        finally:
            view.release()
        if not got:
            self.ended = True
            return False
        self.end += got
        self.read += got
        return True

    def close(self) -> None:
        self.stream.close()


def open_source(where: Path | BinaryIO, name: str | None = None) -> Source:
    """Open a file or take a stream; gzip (RFC 1952) is recognised by its first bytes.

    UnreadableInput if the file cannot be opened.
    """
    size = None
    stream: Any
    if isinstance(where, Path):
        try:
            stream = where.open("rb", buffering=0)
            size = where.stat().st_size
        except OSError as error:
            raise UnreadableInput(f"{where}: {error.strerror or error}") from error
        name = name or str(where)
    else:
        stream = where
        name = name or "-"
    head = b""
    while len(head) < 4:
        try:
            got = stream.read(4 - len(head))
        except OSError as error:
            stream.close()
            raise UnreadableInput(f"{name}: {error.strerror or error}") from error
        if not got:
            break
        head += got
    compression = None
    whole: Any = _Joined(head, stream)
    if head[:2] == b"\x1f\x8b":
        compression = "gzip"
        whole = gzip.GzipFile(fileobj=io.BufferedReader(whole), mode="rb")
    return Source(whole, name, size, compression)


class _Joined(io.RawIOBase):
    """The first bytes, already read, followed by the rest of the stream."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        if self._head:
            taken = min(len(self._head), len(into))
            into[:taken] = self._head[:taken]
            self._head = self._head[taken:]
            return taken
        if hasattr(self._rest, "readinto"):
            return self._rest.readinto(into) or 0
        got = self._rest.read(len(into))
        into[: len(got)] = got
        return len(got)

    def close(self) -> None:
        if not self.closed:
            self._rest.close()
        super().close()
