"""Where bytes come from: a file, a compressed file or a stream, read in blocks into one reused buffer."""

from __future__ import annotations

import errno
import io
import os
import select
import stat
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO

from capnet.errors import UnreadableInput, unreadable
from capnet.jit.arrays import Buffer
from capnet.wire.formats import compression

MAX_HELD = 16 << 20  # bytes held for one block, whatever length it claims
READ_SIZE = 1 << 20  # bytes: these and the rows of them nearly fit a processor's own cache; less is more work in Python
SMALL_FILE = 8 << 20  # bytes: of files up to this size nearly all frames are looked into, which is more of such work


class ByteSource:
    """A growing window on a stream: `buffer[pos:end]` is what has been read and not yet used.

    The buffer is reused: `read_more` moves its bytes, and memoryviews of it are valid only until then. A buffer
    that was lent stays unchanged until it is given back; meanwhile `read_more` uses another one.
    """

    def __init__(
        self,
        stream: io.RawIOBase,
        name: str,
        size: int | None,
        compression: str | None,
        raw: _CountedStream,
        growing: _GrowingFile | None = None,
    ) -> None:
        self.stream = stream
        self._raw = raw
        self._growing = growing
        self.name, self.size = name, size  # bytes on disk; None for a stream
        self.compression = compression
        is_small = size is not None and READ_SIZE < size <= SMALL_FILE
        self._read_size = 2 * READ_SIZE if is_small else READ_SIZE
        self.buffer = Buffer(self._read_size)
        self.pos = self.end = 0
        self.read = 0  # uncompressed bytes so far
        self.ended = False
        self.error: str | None = None  # why the stream ended early: what it holds is damaged
        self._lent: list[Buffer] = []  # once for each borrower
        self._spare: list[Buffer] = []

    @property
    def offset(self) -> int:
        """Position of `buffer[pos]` in the uncompressed stream."""
        return self.read - (self.end - self.pos)

    @property
    def taken(self) -> int:
        """Bytes of the file or stream itself read so far, compressed as they are there."""
        return self._raw.taken

    @property
    def failure(self) -> str | None:
        """The error that ended reading, if the file or stream itself failed."""
        failed = self._raw.failed
        return None if failed is None else failed.strerror or str(failed)

    @property
    def is_replaced(self) -> bool:
        """Whether the name of a growing file now belongs to another file."""
        return self._growing is not None and self._growing.is_replaced()

    def lend(self) -> Buffer:
        """The buffer, to be left unchanged until it is given back."""
        self._lent.append(self.buffer)
        return self.buffer

    def give_back(self, buffer: Buffer) -> None:
        """End one loan. A buffer that was never lent is ignored."""
        for i, lent in enumerate(self._lent):
            if lent is buffer:
                del self._lent[i]
                if buffer is not self.buffer and not self._is_lent(buffer):
                    self._spare.append(buffer)
                return

    def _is_lent(self, buffer: Buffer) -> bool:
        return any(lent is buffer for lent in self._lent)

    def read_more(self, limit: int) -> bool:
        """Read another block behind what is left. False if nothing came.

        The buffer grows only when it is full of bytes that were really read: by doubling, and up to `limit`.
        """
        left, size = self.end - self.pos, len(self.buffer)
        if left == size:
            if left >= limit:
                return False
            size = min(2 * left, limit)
        self._move_to_front(size)
        if self.ended:
            return False
        view = memoryview(self.buffer)
        try:
            # A pipe gives what it has; a file gives all that is asked for.
            got = self.stream.readinto(view[left : max(self._read_size, 2 * left)])
        except Exception as error:  # decompressors' errors have no common base, and each of them ends the stream
            got, self.error = 0, str(error)
        finally:
            view.release()
        if not got:
            self.ended = True
            return False
        self.end += got
        self.read += got
        return True

    def ensure(self, count: int) -> bool:
        """Make `count` bytes available at `pos`. False if the stream ends before."""
        while self.end - self.pos < count:
            if not self.read_more(max(count, MAX_HELD)):
                return False
        return True

    def _move_to_front(self, size: int) -> None:
        """Move what is left to the front of a buffer of `size` bytes that is not lent."""
        left = self.end - self.pos
        if size > len(self.buffer) or self._is_lent(self.buffer):
            fresh = self._free_buffer(size)
            fresh[:left] = memoryview(self.buffer)[self.pos : self.end]
            if not self._is_lent(self.buffer) and len(self.buffer) >= self._read_size:
                self._spare.append(self.buffer)
            self.buffer = fresh
        elif self.pos:
            self.buffer[:left] = self.buffer[self.pos : self.end]
        self.pos, self.end = 0, left

    def _free_buffer(self, size: int) -> Buffer:
        for i, spare in enumerate(self._spare):
            if len(spare) == size:
                return self._spare.pop(i)
        self._spare.clear()  # their size is no longer in use
        return Buffer(size)

    def close(self) -> None:
        """Close the stream and what it reads from."""
        self.stream.close()
        self._raw.close()  # decompressors leave open the stream that they read


def open_source(
    where: Path | BinaryIO,
    name: str | None = None,
    until: Event | None = None,
    size: int | None = None,
    waiting: Callable[[], None] | None = None,
) -> ByteSource:
    """Open a file or take a stream; compressed ones are recognised by their first bytes (`compression`).

    `until`: the file may still grow, and ends when this is set; `waiting` is called now and then while nothing comes.
    `size`: bytes on disk, if the caller knows them.
    UnreadableInput if the file cannot be opened.
    """
    stream: Any = where
    growing = None
    if isinstance(where, Path):
        try:
            stream = where.open("rb", buffering=0)
            if size is None:
                size = os.fstat(stream.fileno()).st_size
        except OSError as error:
            raise unreadable(where, error) from error
    name = name or (str(where) if isinstance(where, Path) else "-")
    if until is not None:
        size = None
        stream = growing = _GrowingFile(stream, until, where if isinstance(where, Path) else None, waiting)
    counted = _CountedStream(stream)
    head = counted.read_up_to(4)
    while compression.is_skippable(head) and counted.skip(int.from_bytes(counted.read_up_to(4), "little")):
        head = counted.read_up_to(4)
    counted.put_back(head)
    method = compression.detect(head)
    try:
        content = compression.decompressed(method, counted) if method else counted
    except ModuleNotFoundError as error:
        stream.close()
        raise UnreadableInput(f"{name}: is compressed with {method}; pip install {error.name}") from error
    return ByteSource(content, name, size, method, counted, growing)


class _GrowingFile(io.RawIOBase):
    """A file that another program may still write: it ends only when `until` is set.

    OSError if it becomes shorter than what was read of it.
    """

    POLL_INTERVAL = 0.1  # seconds

    def __init__(self, file: BinaryIO, until: Event, path: Path | None, waiting: Callable[[], None] | None) -> None:
        self._file = file
        self._waiting = waiting
        self._until = until
        self._path = path
        self._read = 0
        self._is_plain = path is not None and stat.S_ISREG(os.fstat(file.fileno()).st_mode)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        while True:
            ending = self._until.is_set()  # asked first: what was written before it was set is still read
            can_read = ending or self._is_plain or select.select([self._file], [], [], 0)[0]  # a pipe would block
            got: int = self._file.readinto(into) if can_read else 0  # type: ignore[attr-defined]
            self._read += got
            if got or ending:
                return got
            if self._is_plain and os.fstat(self._file.fileno()).st_size < self._read:
                says = "the file became shorter than what was read of it; what it holds now is something else"
                raise OSError(errno.ESTALE, says)
            if self._waiting:
                self._waiting()
            # A wait for `until` itself would deadlock: a signal handler in this very thread may set it.
            select.select([] if can_read else [self._file], [], [], self.POLL_INTERVAL)  # a file is always ready

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


class _CountedStream(io.RawIOBase):
    """A stream that counts what is read of it (`taken`), and whose first bytes can be put back.

    An error of the stream ends it, and `failed` keeps the error: what a decompressor read before is not lost.
    """

    def __init__(self, stream: BinaryIO | io.RawIOBase) -> None:
        self._head = b""
        self._stream: Any = stream
        self.taken = 0
        self.failed: OSError | None = None

    def put_back(self, head: bytes) -> None:
        self._head = head + self._head
        self.taken -= len(head)

    def read_up_to(self, count: int) -> bytes:
        """The next `count` bytes; fewer if the stream ends before."""
        data = b""
        while len(data) < count and (part := self.read(count - len(data))):
            data += part
        return data

    def skip(self, count: int) -> bool:
        """Skip `count` bytes. False if the stream ends before."""
        while count and (part := self.read(min(count, compression.CHUNK))):
            count -= len(part)
        return not count

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
            if hasattr(self._stream, "readinto"):
                return self._stream.readinto(into) or 0
            data = self._stream.read(len(into))
        except OSError as error:
            self.failed = error
            return 0
        into[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
