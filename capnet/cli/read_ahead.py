"""Standard input is read ahead, so that a capture program that writes to it need not wait while capnet starts.

    dumpcap -w - | capnet analyze -

A pipe holds 64 KiB, 2 ms of 300,000 packets a second. What a capture program cannot write it loses. capnet does not
read for the third of a second in which it loads itself, and on a new machine for some 20 s in which it compiles. So a
thread reads what comes meanwhile, and the pipe is made as large as the system allows. When capnet has caught up, it
reads the pipe itself. From a program that does not capture, such as cat, no more is read ahead than a capture brings.
"""

from __future__ import annotations

import io
import os
import select
import stat
import time
from collections import deque
from contextlib import suppress
from threading import Condition, Thread
from typing import Any

MAX_HELD = 512 << 20  # bytes
_HELD_AT_ONCE = 4 << 20  # bytes
_HELD_PER_S = 40 << 20  # bytes; 300,000 packets of 100 octets a second, 350 Mbit/s of large ones
MIN_TAKEN = 32 << 20  # bytes after which all kernels have been needed, and are loaded
_CHUNK = 1 << 20
# Few large blocks are decoded faster than many small ones. After a read of so many bytes, the next is awaited so long:
READ_ON_FROM = 64 << 10
READ_ON_S = 0.001
POLL_S = 0.2  # after which a signal is seen that came just before the waiting
_F_SETPIPE_SZ = 1031  # linux/fcntl.h
_PIPE_BYTES = 1 << 20  # more needs CAP_SYS_RESOURCE (pipe(7), pipe-max-size)


def read_ahead(descriptor: int) -> ReadAhead | None:
    """Begins to read a pipe or socket ahead; None for a file, which waits for its reader."""
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)) or not hasattr(os, "readv"):
        return None
    with suppress(ImportError, OSError):
        import fcntl  # not on Windows

        fcntl.fcntl(descriptor, _F_SETPIPE_SZ, _PIPE_BYTES)
    return ReadAhead(descriptor)


class ReadAhead(io.RawIOBase):
    """The bytes of a descriptor, of which a thread holds some that were not asked for yet."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._chunks: deque[memoryview] = deque()
        self._held = 0
        self._taken = 0
        self._error: OSError | None = None
        self._has_ended = False  # the thread: at the end of the pipe, or because it is handed over
        self._is_handed_over = False
        self._changed = Condition()
        Thread(target=self._run, name="read ahead", daemon=True).start()

    def readable(self) -> bool:
        """True: it can be read."""
        return True

    def readinto(self, into: Any) -> int:
        """What has been read ahead, as much as fits; waits for the first byte. 0 at the end."""
        with self._changed:
            while not (self._chunks or self._has_ended):
                self._changed.wait(POLL_S)
            filled = 0
            while self._chunks and filled < len(into):
                chunk = self._chunks.popleft()
                size = min(len(chunk), len(into) - filled)
                into[filled : filled + size] = chunk[:size]
                filled += size
                if size < len(chunk):
                    self._chunks.appendleft(chunk[size:])
            self._held -= filled
            self._taken += filled
            self._changed.notify()
        if filled:
            return filled
        if self._error is not None:
            raise self._error
        return self._read_pipe(into) if self._is_handed_over else 0

    def _read_pipe(self, into: Any) -> int:
        """What the pipe holds, and what a program that writes faster than capnet reads adds at once."""
        left = memoryview(into)
        filled = size = os.readv(self._descriptor, [left])
        while size >= READ_ON_FROM and filled < len(left) and select.select([self._descriptor], [], [], READ_ON_S)[0]:
            size = os.readv(self._descriptor, [left[filled:]])
            filled += size
        return filled

    def _run(self) -> None:
        began = time.monotonic()
        while not self._has_ended:
            with self._changed:
                while not self._may_hold_more(time.monotonic() - began):
                    self._changed.wait(0.1)  # time alone allows more
                if self._taken >= MIN_TAKEN:
                    self._is_handed_over = self._has_ended = True
                    self._changed.notify()
                    return
            data = self._read()
            with self._changed:
                self._held += len(data)
                if data:
                    self._chunks.append(memoryview(data))
                self._has_ended = not data
                self._changed.notify()

    def _may_hold_more(self, seconds: float) -> bool:
        if self._taken >= MIN_TAKEN:
            return not self._held
        return self._held < min(_HELD_AT_ONCE + _HELD_PER_S * seconds, MAX_HELD)

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, _CHUNK)
        except OSError as error:
            self._error = error
            return b""
