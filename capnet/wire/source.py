"""Where bytes come from: a file, a compressed file or a stream, read in blocks into one reused buffer."""

from __future__ import annotations

import io
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO

from capnet.errors import UnreadableInput
from capnet.wire import inflate
from capnet.wire.kernel import Buffer

BLOCK = 1 << 21  # smaller ones fit a processor's own cache better, but each costs a quarter of a millisecond


class Source:
    """A growing window on a stream: `buffer[pos:end]` is what has been read and not yet used.

    The buffer is reused: bytes move when `more` is called, and memoryviews of it are only valid until then. A buffer
    that was lent stays as it is until it is given back; `more` goes on in another one.
    """

    def __init__(self, stream: Any, name: str, size: int | None, compression: str | None, raw: _Counted) -> None:
        self.stream = stream
        self._raw = raw
        self.name = name
        self.size = size  # bytes on disk; None for a stream
        self.compression = compression
        self.buffer = Buffer(BLOCK)
        self.pos = 0
        self.end = 0
        self.read = 0  # uncompressed bytes so far
        self.ended = False
        self.error: str | None = None  # why the stream ended early
        self._lent: list[Buffer] = []  # once for each borrower
        self._spare: list[Buffer] = []

    @property
    def offset(self) -> int:
        """Position in the uncompressed stream of `buffer[pos]`."""
        return self.read - (self.end - self.pos)

    @property
    def taken(self) -> int:
        """Bytes of the file or stream itself read so far, compressed as they are there."""
        return self._raw.taken

    def lend(self) -> Buffer:
        """The buffer, to be left unchanged until it is given back."""
        self._lent.append(self.buffer)
        return self.buffer

    def give_back(self, buffer: Buffer) -> None:
        """The end of one loan; what was never lent is ignored."""
        for i, lent in enumerate(self._lent):
            if lent is buffer:
                del self._lent[i]
                if buffer is not self.buffer and not self._is_lent(buffer):
                    self._spare.append(buffer)
                return

    def _is_lent(self, buffer: Buffer) -> bool:
        return any(lent is buffer for lent in self._lent)

    def more(self, limit: int) -> bool:
        """Read another block behind what is left; False if nothing came.

        The buffer grows, by doubling and never beyond `limit`, only when it is full of bytes that were really read.
        """
        left = self.end - self.pos
        size = len(self.buffer)
        if left == size:
            if left >= limit:
                return False
            size = min(2 * left, limit)
        if size > len(self.buffer) or self._is_lent(self.buffer):
            fresh = self._another(size)
            fresh[:left] = memoryview(self.buffer)[self.pos : self.end]
            if not self._is_lent(self.buffer) and len(self.buffer) >= BLOCK:
                self._spare.append(self.buffer)
            self.buffer = fresh
        elif self.pos:
            self.buffer[:left] = self.buffer[self.pos : self.end]
        self.pos, self.end = 0, left
        if self.ended:
            return False
        view = memoryview(self.buffer)
        try:
            # A pipe gives what it has; a file gives all that is asked for.
            got = self.stream.readinto(view[left : max(BLOCK, 2 * left)])
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

    def _another(self, size: int) -> Buffer:
        """A buffer of this size that no one has."""
        for i, spare in enumerate(self._spare):
            if len(spare) == size:
                return self._spare.pop(i)
        self._spare.clear()  # of another size: blocks have grown
        return Buffer(size)

    def close(self) -> None:
        self.stream.close()
        self._raw.close()  # decompressors leave open what they were given


def open_source(where: Path | BinaryIO, name: str | None = None, until: Event | None = None) -> Source:
    """Open a file or take a stream; compressed ones are recognised by their first bytes (`capnet.wire.inflate`).

    `until`: the file may still grow, and ends when this is set. UnreadableInput if the file cannot be opened.
    """
    size = None
    stream: Any
    if isinstance(where, Path):
        try:
            stream = where.open("rb", buffering=0)
            size = where.stat().st_size if until is None else None
        except OSError as error:
            raise UnreadableInput(f"{where}: {error.strerror or error}") from error
        name = name or str(where)
    else:
        stream = where
        name = name or "-"
    if until is not None:
        stream = _Growing(stream, until)
    counted = _Counted(stream)
    head = b""
    while len(head) < 4:
        try:
            got = counted.read(4 - len(head))
        except OSError as error:
            stream.close()
            raise UnreadableInput(f"{name}: {error.strerror or error}") from error
        if not got:
            break
        head += got
    counted.put_back(head)
    compression = inflate.compression(head)
    try:
        whole = inflate.opened(compression, counted) if compression else counted
    except ModuleNotFoundError as error:
        stream.close()
        raise UnreadableInput(f"{name}: is compressed with {compression}; pip install {error.name}") from error
    return Source(whole, name, size, compression, counted)


class _Growing(io.RawIOBase):
    """A file that someone else may still be writing: it has no end before `until` is set."""

    PAUSE = 0.1  # seconds between two looks at a file that had nothing new

    def __init__(self, file: BinaryIO, until: Event) -> None:
        self._file = file
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        while True:
            ending = self._until.is_set()  # asked first: what was written before it was set is still read
            got: int = self._file.readinto(into)  # type: ignore[attr-defined]
            if got or ending:
                return got
            Event().wait(self.PAUSE)  # not a wait for `until`: a signal handler in this very thread may set it

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _Counted(io.RawIOBase):
    """A stream whose first bytes can be put back; `taken` says how many were read."""

    def __init__(self, rest: BinaryIO | io.RawIOBase) -> None:
        self._head = b""
        self._rest: Any = rest
        self.taken = 0

    def put_back(self, head: bytes) -> None:
        self._head = head + self._head
        self.taken -= len(head)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        got = self._readinto(into)
        self.taken += got
        return got

    def _readinto(self, into: Any) -> int:
        if self._head:
            got = min(len(self._head), len(into))
            into[:got] = self._head[:got]
            self._head = self._head[got:]
            return got
        if hasattr(self._rest, "readinto"):
            return self._rest.readinto(into) or 0
        data = self._rest.read(len(into))
        into[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._rest.close()
        super().close()
