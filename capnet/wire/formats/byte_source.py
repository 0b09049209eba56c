"""Where bytes come from: a file, a compressed file or a stream, read in blocks into one reused buffer."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO

from capnet.errors import UnreadableInput
from capnet.jit.arrays import Buffer
from capnet.wire.formats import compression

MOST = 16 << 20  # bytes that are held for one block, however long it says that it is
BLOCK = 1 << 21  # smaller ones fit a processor's own cache better, but each costs a quarter of a millisecond


class Source:
    """A growing window on a stream: `buffer[pos:end]` is what has been read and not yet used.

    The buffer is reused: bytes move when `more` is called, and memoryviews of it are only valid until then. A buffer
    that was lent stays as it is until it is given back; `more` goes on in another one.
    """

    def __init__(
        self,
        stream: Any,
        name: str,
        size: int | None,
        compression: str | None,
        raw: _Counted,
        growing: _Growing | None = None,
    ) -> None:
        self.stream = stream
        self._raw = raw
        self._growing = growing
        self.name = name
        self.size = size  # bytes on disk; None for a stream
        self.compression = compression
        self.buffer = Buffer(BLOCK)
        self.pos = 0
        self.end = 0
        self.read = 0  # uncompressed bytes so far
        self.ended = False
        self.error: str | None = None  # why the stream ended early: what it holds is damaged
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

    @property
    def failure(self) -> str | None:
        """Why no more of it could be read."""
        failed = self._raw.failed
        return None if failed is None else failed.strerror or str(failed)

    @property
    def is_replaced(self) -> bool:
        """Whether a growing file is no longer the one that has its name."""
        return self._growing is not None and self._growing.is_replaced()

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
        except Exception as error:  # what decompressors raise has no base in common, and all of it ends the stream
            got, self.error = 0, str(error)
        finally:
            view.release()
        if not got:
            self.ended = True
            return False
        self.end += got
        self.read += got
        return True

    def have(self, count: int) -> bool:
        """Make `count` bytes available at `pos`; False if the stream ends before."""
        while self.end - self.pos < count:
            if not self.more(max(count, MOST)):
                return False
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


def open_source(
    where: Path | BinaryIO, name: str | None = None, until: Event | None = None, size: int | None = None
) -> Source:
    """Open a file or take a stream; compressed ones are recognised by their first bytes (`compression`).

    `until`: the file may still grow, and ends when this is set. `size`: of the file, if known. UnreadableInput if the
    file cannot be opened.
    """
    stream: Any
    if isinstance(where, Path):
        try:
            stream = where.open("rb", buffering=0)
            if size is None and until is None:
                size = where.stat().st_size
        except OSError as error:
            raise UnreadableInput(f"{where}: {error.strerror or error}") from error
        name = name or str(where)
    else:
        stream = where
        name = name or "-"
    growing = None
    if until is not None:
        stream = growing = _Growing(stream, until, where if isinstance(where, Path) else None)
    counted = _Counted(stream)
    head = _some(counted, 4)
    while compression.is_skippable(head) and _skip(counted, int.from_bytes(_some(counted, 4), "little")):
        head = _some(counted, 4)
    counted.put_back(head)
    method = compression.detect(head)
    try:
        whole = compression.opened(method, counted) if method else counted
    except ModuleNotFoundError as error:
        stream.close()
        raise UnreadableInput(f"{name}: is compressed with {method}; pip install {error.name}") from error
    return Source(whole, name, size, method, counted, growing)


def _some(stream: _Counted, count: int) -> bytes:
    """The next bytes, so many if there are."""
    found = b""
    while len(found) < count and (more := stream.read(count - len(found))):
        found += more
    return found


def _skip(stream: _Counted, count: int) -> bool:
    """Pass over so many bytes; False if the stream ends before."""
    while count and (passed := stream.read(min(count, compression.CHUNK))):
        count -= len(passed)
    return not count


class _Growing(io.RawIOBase):
    """A file that someone else may still be writing: it has no end before `until` is set.

    OSError where it has become shorter than what was read of it.
    """

    PAUSE = 0.1  # seconds between two looks at a file that had nothing new

    def __init__(self, file: BinaryIO, until: Event, path: Path | None) -> None:
        self._file = file
        self._until = until
        self._path = path
        self._read = 0
        self._is_plain = path is not None and stat.S_ISREG(os.fstat(file.fileno()).st_mode)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        while True:
            ending = self._until.is_set()  # asked first: what was written before it was set is still read
            got: int = self._file.readinto(into)  # type: ignore[attr-defined]
            self._read += got
            if got or ending:
                return got
            if self._is_plain and os.fstat(self._file.fileno()).st_size < self._read:
                says = "the file became shorter than what was read of it; what it holds now is something else"
                raise OSError(errno.ESTALE, says)
            Event().wait(self.PAUSE)  # not a wait for `until`: a signal handler in this very thread may set it

    def is_replaced(self) -> bool:
        """Whether another file has its name now."""
        if not self._is_plain or self._path is None:
            return False
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except OSError:
            return False

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _Counted(io.RawIOBase):
    """A stream whose first bytes can be put back; `taken` says how many were read.

    Where reading fails it ends, and `failed` says why: so nothing is lost that a decompressor has read before.
    """

    def __init__(self, rest: BinaryIO | io.RawIOBase) -> None:
        self._head = b""
        self._rest: Any = rest
        self.taken = 0
        self.failed: OSError | None = None

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
        try:
            if hasattr(self._rest, "readinto"):
                return self._rest.readinto(into) or 0
            data = self._rest.read(len(into))
        except OSError as error:
            self.failed = error
            return 0
        into[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._rest.close()
        super().close()
