"""Captures that follow each other, read as one: the files of a ring.

Frames are numbered on from file to file, and interfaces are those of the first file and what later ones add to them.
Files that do not follow each other raise NotOneSeries: one that has other interfaces than those before it, begins
before they end, or so long after that packets may be missing between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest

from capnet.quick_tuple import NamedTuple
from capnet.wire.block import RecordBatch
from capnet.wire.formats import record
from capnet.wire.formats.file_reader import FileReader
from capnet.wire.formats.reader import Capture, CaptureInterface, Pause, Records, Splitter

MAX_OVERLAP_NS = 1_000_000_000  # frames of several processors are out of order by less
MAX_PAUSE_NS = 2_000_000_000  # without a packet, between files whose names do not say that they are neighbours


class NotOneSeries(Exception):
    """Files that are named like those of a ring do not follow each other."""


class SeriesFile(NamedTuple):
    """A file of a series. `is_next`: its name has the number behind that of the file before it."""

    open: Callable[[], FileReader]
    is_next: bool = False


class Series(Capture):
    """Reads the parts in their order. `part_ended` is given each part at its end, and the number of its first frame."""

    def __init__(
        self, parts: Sequence[SeriesFile], part_ended: Callable[[FileReader, int], None] | None = None
    ) -> None:
        super().__init__()
        self._parts = list(parts)
        self._part_ended = part_ended
        self._before: list[CaptureInterface] = []  # what interfaces captured in the parts before this one
        self._last: int | None = None  # time of the last frame before this part
        self._numbered_before = self._size_before = self._taken_before = 0
        self._shared_splitter: Splitter | None = None
        self._is_open = True
        self._open_next()
        self.machine, self.decode, self.format = self._part.machine, self._part.decode, self._part.format

    # -- reading -----------------------------------------------------------------------------
    def read_batch(self, batch: RecordBatch) -> bool:
        """As of a capture, from part to part."""
        while not self._part.read_batch(batch):
            if not self._go_on():
                return False
        rows = batch.records[: batch.count * record.WIDTH].reshape(batch.count, record.WIDTH)
        if self._is_new:
            self._check(rows)
        rows[:, record.NUMBER] += self._numbered_before
        self.packets += batch.count
        return True

    def _go_on(self) -> bool:
        """End this part and begin the next one; False if there is none."""
        if not self._is_open:
            return False
        part = self._part
        if self._part_ended:
            self._part_ended(part, self._numbered_before + 1)
        self.problems += part.problems
        for address, names in part.names.of.items():
            self.names.of.setdefault(address, []).extend(names)
        self._before = self.interfaces
        self._last = max((each.last for each in self._before if each.last is not None), default=None)
        self._numbered_before += part.numbered
        self._size_before, self._taken_before = self._size_before + part.size, self._taken_before + part.taken
        part.close()
        self._is_open = bool(self._parts)
        if self._is_open:
            self._open_next()
        return self._is_open

    def _open_next(self) -> None:
        self._file = self._parts.pop(0)
        self._part = self._file.open()
        self._is_new = True
        if make := self._part.make_splitter:
            self._part.make_splitter = lambda: self._splitter_by(make)

    def _splitter_by(self, make: Callable[[], Splitter]) -> Splitter:
        """One for all parts, so that a point has the same number in each."""
        self._shared_splitter = self._shared_splitter or make()
        return self._shared_splitter

    def _check(self, rows: Records) -> None:
        """Raise NotOneSeries if a part whose first records are these does not follow what was read."""
        self._is_new = False
        times = rows[:, record.TIME]
        times = times[times >= 0]
        if self._last is None or not len(times):
            return
        first = int(times.min())
        if first < self._last - MAX_OVERLAP_NS:
            raise NotOneSeries(f"{self._part.file} begins before the file before it ends")
        if not self._file.is_next:
            if first > self._last + MAX_PAUSE_NS:
                raise NotOneSeries(f"{self._part.file} begins long after the file before it ends")
            self.pauses.append(Pause(self._last, first))
        self._merged_interfaces()

    # -- what was read -----------------------------------------------------------------------
    @property
    def interfaces(self) -> list[CaptureInterface]:
        """All interfaces so far, with what each captured in all parts so far."""
        return self._merged_interfaces()

    def _merged_interfaces(self) -> list[CaptureInterface]:
        own = self._part.interfaces if self._is_open else []
        return [_both(before, after, self._part.file) for before, after in zip_longest(self._before, own)]

    @property
    def file(self) -> str:
        """What errors call the part that is read."""
        return self._part.file

    @property
    def compression(self) -> str | None:
        """That of the part that is read."""
        return self._part.compression

    @property
    def size(self) -> int:
        """Bytes on disk of the parts so far."""
        return self._size_before + (self._part.size if self._is_open else 0)

    @property
    def taken(self) -> int:
        """Bytes on disk read so far."""
        return self._taken_before + (self._part.taken if self._is_open else 0)

    @property
    def buffer_size(self) -> int:
        """As of a capture."""
        return self._part.buffer_size

    def close(self) -> None:
        """Close the part that is open."""
        super().close()
        self._part.close()


def _both(before: CaptureInterface | None, after: CaptureInterface | None, file: str) -> CaptureInterface:
    """What an interface captured before this part and in it. NotOneSeries if it is another interface in `file`."""
    if before is None or after is None:
        (only,) = filter(None, (before, after))
        return only
    identities = [(each.linktype, each.name, each.mac, each.ifindex) for each in (before, after)]
    if identities[0] != identities[1]:
        raise NotOneSeries(f"{file} has other interfaces than the file before it")
    times = [time for each in (before, after) for time in (each.first, each.last) if time is not None]
    return CaptureInterface(
        before.linktype, max(before.snaplen, after.snaplen), before.name, before.description, before.mac, before.number,
        before.ifindex, _known_sum(before.dropped, after.dropped), _sum(before.received, after.received),
        _sum(before.delivered, after.delivered), before.started, after.ended, before.packets + after.packets,
        before.bytes + after.bytes, min(times, default=None), max(times, default=None), before.filter or after.filter,
    )  # fmt: skip


def _known_sum(before: int | None, after: int | None) -> int | None:
    """The sum of what is known: a file that says nothing does not take back what another one says."""
    return None if before is None and after is None else (before or 0) + (after or 0)


def _sum(before: int | None, after: int | None) -> int | None:
    """A number that each part says of itself; None if one does not."""
    return None if before is None or after is None else before + after
