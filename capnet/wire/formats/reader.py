"""A capture being read, whether it is a file (`file_reader`) or several that follow each other (`wire.series`).

Data goes one way: the reader fills a `RecordBatch` with records, and `decode` makes blocks of rows of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Protocol, Self, TypeAlias

import numpy as np

from capnet.errors import UsageError
from capnet.jit.kernel import Machine
from capnet.quick_dataclass import mutable, value
from capnet.quick_tuple import NamedTuple
from capnet.wire.block import Block, RecordBatch
from capnet.wire.formats import record
from capnet.wire.formats.pcapng import ResolvedNames

if TYPE_CHECKING:
    from capnet.table.batch import Batch
    from capnet.table.table import Table

Records: TypeAlias = Annotated[np.ndarray, "(n, record.WIDTH) int64"]

MAX_REPR_POINTS = 8  # that a capture shows of itself

# Makes the next block of rows of a batch; None when all its records are decoded.
Decoder: TypeAlias = Callable[[RecordBatch], Block | None]


class Record(NamedTuple):
    """One captured frame as it lies in the file; `data` is valid until the next record is asked for."""

    number: int
    interface: int
    time: int  # ns since 1970 UTC; -1 if the file has none
    caplen: int
    wirelen: int
    data: memoryview


@value
class CaptureProblem:
    """What is wrong at which offset of the (uncompressed) file."""

    name: str
    offset: int
    says: str


@mutable
class CaptureInterface:
    """Where frames were captured: the pcap file itself, or one interface description block."""

    linktype: int
    snaplen: int
    name: str | None = None
    description: str | None = None
    mac: str | None = None
    number: int = 0  # of the interface in the file
    ifindex: int | None = None  # the host's number for it, where the packets of a capture at `any` say it
    dropped: int | None = None
    received: int | None = None  # packets, by the capture's own statistics
    delivered: int | None = None  # of those, packets that it was handed
    started: int | None = None  # ns, when the capture began and ended
    ended: int | None = None
    packets: int = 0
    bytes: int = 0  # on the wire
    first: int | None = None  # ns
    last: int | None = None
    filter: str | None = None  # of the capture, as its interface block says it: pcap-filter(7)


class Splitter(Protocol):
    """Tells the interfaces of the host apart that a capture at `any` heard, see `wire.any_interfaces`."""

    def assign(self, records: Records, buffer: bytearray, linktypes: list[int]) -> int:
        """Replace the interface of each record by its point; how many points there are."""

    def expand(self, interfaces: list[CaptureInterface]) -> list[CaptureInterface]:
        """The points, as interfaces."""


class Pause(NamedTuple):
    """From the last frame of a file to the first one of the next, ns."""

    since: int
    until: int


class Capture(ABC):
    """A capture, read once from front to back. Its attributes are complete when `blocks()` has ended.

    `pauses`: times between files in which packets may have passed that the capture did not record.
    """

    format: str
    machine: Machine
    decode: Decoder

    def __init__(self) -> None:
        self.packets = 0
        self.problems: list[CaptureProblem] = []
        self.pauses: list[Pause] = []
        self.names = ResolvedNames()
        self.is_closed = False
        self._is_at_end = False

    # -- reading -----------------------------------------------------------------------------
    def blocks(self) -> Iterator[Block]:
        """The rows of all records that are left. A block is valid until there is a next one."""
        batch = RecordBatch(self.machine)
        last: Block | None = None
        while self._has_next(batch):
            while (block := self.decode(batch)) is not None:
                if last is not None:
                    last.expire()
                last = block
                yield block

    def frames(self, *, binary: bool = False) -> Table:
        """The rows of all records that are left, as a table of typed columns: for pyarrow, pandas, Polars and DuckDB.

        `binary`: IP addresses are 16 octets each, not text. Points are named as their interfaces, or by number.
        The table can be read once, while the capture is open: UsageError after that, so that no rows are missing
        without a word. `capnet.tables(FILE)["frames"]` can be read again.
        """
        from capnet.table.table import Table
        from capnet.wire.tables.frames import FrameColumns, frame_columns

        is_read = False

        def batches() -> Iterator[Batch]:
            nonlocal is_read
            if is_read or self._is_at_end:
                raise UsageError(
                    f"{self.file}: its frames were read, which is done once; open it again, or take "
                    "capnet.tables(FILE)['frames']"
                )
            is_read = True
            yield from FrameColumns(self.machine, self.file, binary).batches(self.blocks(), self.point_names)

        return Table("frames", frame_columns(binary), batches, is_read_once=True)

    def __repr__(self) -> str:
        names = ", ".join(ascii(name)[1:-1] for name in self.point_names()[:MAX_REPR_POINTS])
        return f"<capnet capture of {ascii(self.file)[1:-1]}; points so far: {names}; read it by frames() or blocks()>"

    def point_names(self) -> list[str]:
        """The name of each interface as a capture point, by its number; the number where it has none."""
        return [interface.name or str(interface.number) for interface in self.interfaces]

    def records(self) -> Iterator[Record]:
        """All records that are left, not decoded: for copying captures, not for analysis."""
        batch = RecordBatch(self.machine)
        while self._has_next(batch):
            raw = memoryview(batch.buffer)
            table = batch.records[: batch.count * record.WIDTH].reshape(batch.count, record.WIDTH)
            for at, caplen, wirelen, time, point, _, number in table.tolist():
                yield Record(number, point, time, caplen, wirelen, raw[at : at + caplen])

    def _has_next(self, batch: RecordBatch) -> bool:
        """Fill `batch` with the next records, if there are any. UsageError if the capture is closed."""
        if self.is_closed:
            raise UsageError(f"{self.file}: is closed; read it inside the `with` block")
        self._is_at_end = not self.read_batch(batch)
        return not self._is_at_end

    @abstractmethod
    def read_batch(self, batch: RecordBatch) -> bool:
        """Fill `batch` with the next records, at least one. False at the end of the capture.

        Only one thread at a time may read. The bytes that the batch held before are given back.
        """

    # -- what was read -------------------------------------------------------------------------
    @property
    @abstractmethod
    def interfaces(self) -> list[CaptureInterface]:
        """All interfaces so far, with what each captured so far; points, where `any` is split."""

    @property
    @abstractmethod
    def file(self) -> str:
        """What problems and errors call the source."""

    @property
    @abstractmethod
    def compression(self) -> str | None:
        """gzip, zstd or lz4; None if the source is not compressed."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Bytes on disk; of a stream, uncompressed bytes read so far."""

    @property
    @abstractmethod
    def taken(self) -> int:
        """Bytes on disk, or of a stream, read so far."""

    @property
    @abstractmethod
    def buffer_size(self) -> int:
        """Bytes of memory that hold what was read of the source and not yet decoded."""

    def close(self) -> None:
        """Close the source. What was read stays."""
        self.is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
