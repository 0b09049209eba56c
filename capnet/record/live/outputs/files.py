"""Packets in a file, or in a ring of files of which the oldest goes when a new one begins.

Each file is a whole bundle: its own interface blocks and counters, and its topology beside it. It can be read while
it is written, and ends with a whole block also where the disk is full.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import accumulate
from pathlib import Path

from capnet.quick_dataclass import value
from capnet.record.live.blocks import PointCounts, counters
from capnet.record.live.outputs import private_file
from capnet.record.live.tap_reader import TimedBlock, interface_of
from capnet.topology import Topology, topology_path, witnesses_path
from capnet.whole_file import whole

MEGABYTE = 1_000_000  # of -C, as for tcpdump


@value
class Ring:
    """Files of `max_bytes` each, the newest `max_files` of them; 0: all."""

    max_bytes: int
    max_files: int = 0


def ring_name(path: Path, number: int, begins_ns: int) -> Path:
    """`NAME_00001_20261128054512.pcapng`, as dumpcap calls them, by local time."""
    begins = datetime.fromtimestamp(begins_ns / 1e9).strftime("%Y%m%d%H%M%S")
    return path.with_name(f"{path.stem}_{number:05}_{begins}{path.suffix or '.pcapng'}")


class Files:
    """The output that is the file `path`, or the ring of files that is called so. Raises OSError for the first.

    `counts` are those of the points by now, asked when a file of the ring is full: some may have joined or ended.
    `full` is told of that file.
    """

    has_room = True
    is_behind = is_stuck = False

    def __init__(
        self,
        path: Path,
        heading: bytes,
        topology: Topology,
        points: int,
        begins_ns: int,
        *,
        ring: Ring | None = None,
        may_exist: bool = True,
        counts: Callable[[], Sequence[PointCounts]] = tuple,
        full: Callable[[Path], None] = lambda path: None,
    ) -> None:
        self.problem: str | None = None
        self.topology = topology  # may be replaced by one that knows more
        self.paths: deque[Path] = deque()  # the oldest first
        self._path, self._heading, self._points, self._ring = path, heading, points, ring
        self._may_exist, self._counts, self._full = may_exist, counts, full
        self._number = 0
        self._begin(begins_ns)

    @property
    def is_open(self) -> bool:
        """False when the disk is full."""
        return self.problem is None

    def write(self, packets: Sequence[TimedBlock]) -> None:
        """Appends the packets; the ring's next file begins where one is full."""
        while packets and self.is_open:
            count = self._fitting(packets)
            blocks = [block for _, block in packets[:count]]
            for block in blocks[: self._append(blocks)]:
                self._delivered[interface_of(block)] += 1
            packets = packets[count:]
            if packets and self.is_open:
                self._turn(packets[0][0])

    def add_interface(self, blocks: bytes) -> None:
        """Appends them, also to what each further file begins with, and writes the topology, which knows the point."""
        self._heading += blocks
        self._points += 1
        self._delivered.append(0)
        if self.is_open and self._append([blocks]):
            with suppress(OSError):  # of a full disk, which the next packet tells
                self._write_topology()

    def insert(self, blocks: bytes) -> None:
        """Appends the blocks."""
        self._append([blocks])

    def flush(self, seconds: float = 0.0) -> None:
        """Nothing: what is written is in the file."""

    def finish(self, counts: Sequence[PointCounts], now_ns: int) -> None:
        """Writes the counters, and the topology as it is by now."""
        if self._number > 1:  # the programs counted what is in the files before, too
            begins_ns = self._begins_ns
            counts = [replace(each, started_ns=_later(each.started_ns, begins_ns), received=None) for each in counts]
        self._end(counts, now_ns)

    # -- one file ------------------------------------------------------------------------------------
    def _begin(self, begins_ns: int) -> None:
        self._number += 1
        self._begins_ns = begins_ns
        path = ring_name(self._path, self._number, begins_ns) if self._ring else self._path
        self._fd = private_file.create(path, may_exist=self._may_exist)
        self.paths.append(path)
        self._size = 0
        self._delivered = [0] * self._points
        witnesses_path(path).unlink(missing_ok=True)  # of another capture that had this name
        self._write_topology()
        self._append([self._heading])

    def _append(self, blocks: Sequence[bytes]) -> int:
        """Writes the blocks and returns how many. Where not all have room, the file ends with the last whole one."""
        data = memoryview(b"".join(blocks))
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as error:
            ends = list(accumulate(map(len, blocks)))
            whole = bisect_right(ends, written)
            written = ends[whole - 1] if whole else 0
            with suppress(OSError):
                os.ftruncate(self._fd, self._size + written)
                os.lseek(self._fd, self._size + written, os.SEEK_SET)
            self.problem = f"{self.paths[-1]} cannot be written any further ({error.strerror})"
            blocks = blocks[:whole]
        self._size += written
        return len(blocks)

    def _end(self, counts: Sequence[PointCounts], now_ns: int) -> None:
        try:
            self._append([counters(counts, self._delivered, now_ns)])
            with suppress(OSError):  # of a full disk: the packets are there all the same
                self._write_topology()
        finally:
            os.close(self._fd)

    def _write_topology(self) -> None:
        with whole(topology_path(self.paths[-1]), private=True) as file:
            file.write(self.topology.to_json().encode())

    # -- the ring ------------------------------------------------------------------------------------
    def _fitting(self, packets: Sequence[TimedBlock]) -> int:
        """How many of the packets the present file still takes; at least one in an empty file."""
        if self._ring is None:
            return len(packets)
        ends = list(accumulate(len(block) for _, block in packets))
        return bisect_right(ends, self._ring.max_bytes - self._size) or int(not any(self._delivered))

    def _turn(self, begins_ns: int) -> None:
        """Ends the present file before the packet at `begins_ns`, begins the next one, and removes the oldest."""
        assert self._ring is not None
        self._end(
            [self._span(count, begins_ns) for count in self._counts() or self._points * [PointCounts()]], begins_ns
        )
        self._full(self.paths[-1])
        try:
            self._begin(begins_ns)
        except OSError as error:
            self.problem = f"no further file beside {self.paths[-1]} ({error.strerror})"
            self._fd = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            return
        while self._ring.max_files and len(self.paths) > self._ring.max_files:
            oldest = self.paths.popleft()
            oldest.unlink(missing_ok=True)
            topology_path(oldest).unlink(missing_ok=True)
            witnesses_path(oldest).unlink(missing_ok=True)

    def _span(self, count: PointCounts, until_ns: int) -> PointCounts:
        """When the point was captured, as far as the present file, which ends at `until_ns`, tells of it."""
        return PointCounts(_later(count.started_ns, self._begins_ns), min(count.ended_ns or until_ns, until_ns))


def _later(started_ns: int | None, begins_ns: int) -> int:
    return begins_ns if started_ns is None else max(started_ns, begins_ns)
