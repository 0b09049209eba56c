"""Packets for a program that reads them while they are captured: a pipe, `capnet capture -w - | wireshark -k -i -`.

A pipe is written to only as far as it has room: a reader that stands still must not keep capnet from stopping.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from errno import EINVAL, ENOSYS, EOPNOTSUPP, ESPIPE
from fcntl import F_SETPIPE_SZ, fcntl

from capnet.record.live.blocks import PointCounts, counters
from capnet.record.live.tap_reader import TimedBlock, interface_of

_PIPE_BYTES = 1 << 20  # what every user may ask for (fs.pipe-max-size); a reader is woken less often than with 64 KiB
_ROOM = select.PIPE_BUF  # a pipe that select(2) calls writable takes so many bytes at once
_MAX_QUEUED = 1 << 22  # bytes; what more there is stays in the files of the capture programs
PATIENCE_S = 5.0  # at the end, for a reader that takes nothing any more


class StreamOutput:
    """The output that is the open file `descriptor`."""

    def __init__(self, descriptor: int, heading: bytes, points: int) -> None:
        self.problem: str | None = None
        self._fd = descriptor
        self._queue: deque[memoryview] = deque([memoryview(heading)])
        self._queued = len(heading)
        self._delivered = [0] * points
        self._is_open = self.has_nowait = True
        self._taken_s = time.monotonic()  # when the reader took something, or was given something again
        with suppress(OSError):  # it is no pipe
            fcntl(descriptor, F_SETPIPE_SZ, _PIPE_BYTES)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self.flush()

    @property
    def is_open(self) -> bool:
        """False when the reader has closed its end."""
        if self._is_open and any(event & select.POLLERR for _, event in self._poll.poll(0)):
            self._is_open = False
        return self._is_open

    @property
    def has_room(self) -> bool:
        """Whether the reader keeps up."""
        return self._queued < _MAX_QUEUED

    def add_interface(self, blocks: bytes) -> None:
        """Queues the blocks of another point."""
        self._delivered.append(0)
        self._add(blocks)

    @property
    def is_behind(self) -> bool:
        """Whether the reader has not taken everything yet."""
        return self._is_open and bool(self._queue)

    @property
    def is_stuck(self) -> bool:
        """Whether the reader has taken nothing for PATIENCE_S."""
        return self.is_behind and time.monotonic() - self._taken_s > PATIENCE_S

    def insert(self, blocks: bytes) -> None:
        """Queues the blocks."""
        self._add(blocks)

    def write(self, packets: Sequence[TimedBlock]) -> None:
        """Queues the packets and writes as much as the reader takes."""
        for _, block in packets:
            self._delivered[interface_of(block)] += 1
        if packets:
            self._add(b"".join(block for _, block in packets))
        self.flush()

    def flush(self, seconds: float = 0.0) -> None:
        """Writes as much as the reader takes at once, or within so many seconds."""
        deadline = time.monotonic() + seconds
        while self._queue and self._is_open:
            events = self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000 if seconds else 0)
            if not events or not events[0][1] & (select.POLLOUT | select.POLLERR):
                return
            part = self._queue[0]
            try:
                written = self._write_at_once(part)
            except BlockingIOError:
                return
            except BrokenPipeError:
                self._is_open = False
                return
            except OSError as error:
                self._is_open, self.problem = False, f"the output cannot be written ({error.strerror})"
                return
            self._queued -= written
            self._taken_s = time.monotonic()
            if written == len(part):
                self._queue.popleft()
            else:
                self._queue[0] = part[written:]

    def finish(self, counts: Sequence[PointCounts], now_ns: int) -> None:
        """Adds the counters and waits for the reader, but not for one that stands still."""
        self._add(counters(counts, self._delivered, now_ns))
        left, deadline = self._queued, time.monotonic() + PATIENCE_S
        while self._queue and self.is_open:
            self._poll.poll(100)
            self.flush()
            if self._queued < left:
                left, deadline = self._queued, time.monotonic() + PATIENCE_S
            elif time.monotonic() > deadline:
                self.problem = f"the reader took nothing for {PATIENCE_S:.0f} s; {left:,} bytes did not reach it"
                return

    def _write_at_once(self, part: memoryview) -> int:
        """Writes what there is room for, and returns how much. BlockingIOError, OSError.

        RWF_NOWAIT (Linux 6.4 for pipes) needs no O_NONBLOCK, which others who share the open file would get too.
        """
        if self.has_nowait:
            try:
                return os.pwritev(self._fd, [part], -1, os.RWF_NOWAIT)
            except BlockingIOError:
                raise
            except OSError as error:
                if error.errno not in (EOPNOTSUPP, EINVAL, ESPIPE, ENOSYS):
                    raise
                self.has_nowait = False
        return os.write(self._fd, part[:_ROOM])

    def _add(self, data: bytes) -> None:
        if not self._queue:
            self._taken_s = time.monotonic()
        self._queue.append(memoryview(data))
        self._queued += len(data)
