"""A capture file, or a stream, being read: what the readers of pcap and pcapng share.

A `ByteSource` gives bytes, the reader fills a `RecordBatch`. Damage does not raise: it is added to `problems`,
with its offset in the uncompressed file.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from capnet.jit.arrays import Int64Array
from capnet.jit.kernel import Machine
from capnet.wire.block import MAX_RECORDS, RecordBatch
from capnet.wire.formats import record
from capnet.wire.formats.byte_source import ByteSource
from capnet.wire.formats.reader import Capture, CaptureInterface, CaptureProblem, Decoder, Splitter
from capnet.wire.numbers import LINKTYPE_LINUX_SLL2


class FileReader(Capture):
    """Reads one file or stream.

    `big`: byte order of the file, or of the current pcapng section. `make_splitter`: if it is set before reading, rows
    and `interfaces` are by the host's interfaces, where the capture is of `any`.
    """

    def __init__(self, source: ByteSource, machine: Machine, decoder: Decoder) -> None:
        super().__init__()
        self.machine = machine
        self.decode = decoder
        self.big = False
        self._source = source
        self._interfaces: list[CaptureInterface] = []
        self._tallies = np.zeros(0, dtype=np.int64)  # TALLY_WIDTH numbers for each interface
        self._tallies_view = machine.view(self._tallies)
        self._numbered = 0  # packets so far, and blocks that Wireshark numbers like packets
        self._ended = False
        self._needs_bytes = False  # the buffer holds no whole record any more
        self.make_splitter: Callable[[], Splitter] | None = None
        self._splitter: Splitter | None = None  # made when it is needed

    # -- reading -----------------------------------------------------------------------------
    def read_batch(self, batch: RecordBatch) -> bool:
        """Fill `batch` with the next records, at least one. False at the end of the capture.

        Only one thread at a time may read. The bytes that the batch held before are given back.
        """
        source, view = self._source, self.machine.view
        source.give_back(batch.buffer)
        batch.clear()
        n = 0
        while not self._ended:
            status = record.MORE
            if not self._needs_bytes:
                table = view(batch.records[n * record.WIDTH :]) if n else batch.view["records"]
                self._walk(table, MAX_RECORDS - n, batch.view["out"])
                count, source.pos, status, self._numbered, cut = batch.out[:5].tolist()
                if cut >= 0:
                    self._report_cut_options(cut)
                n += count
            self._needs_bytes = status == record.MORE
            # The records of a batch lie in one buffer: what would move its bytes waits for the next batch.
            if status == record.FULL or (n and not self._can_pass(status)):
                break
            self._needs_bytes = False
            if status != record.MORE:
                self._ended = not self._pass(status)
            elif not source.read_more(record.MAX_BLOCK + 64):
                self._report_end()
                self._ended = True
        if not n:
            return False
        self.packets += n
        if self.make_splitter:
            self._split(batch, n)
        self.machine.run(record.tally)(batch.view["records"], n, self._tallies_view)
        batch.buffer, batch.count, batch.interfaces = source.lend(), n, len(self._tallies) // record.TALLY_WIDTH
        return True

    def _split(self, batch: RecordBatch, count: int) -> None:
        """Replace the interfaces of the batch's records by points, if any interface is of several of the host."""
        linktypes = [interface.linktype for interface in self._interfaces]
        if self._splitter is None:
            if not self.make_splitter or LINKTYPE_LINUX_SLL2 not in linktypes:
                return
            self._splitter = self.make_splitter()
        records = batch.records[: count * record.WIDTH].reshape(count, record.WIDTH)
        self._make_tallies(self._splitter.assign(records, self._source.buffer, linktypes))

    def run_on(self, machine: Machine) -> None:
        """Run kernels on another machine from now on; batches must be of the same one."""
        self.machine = machine
        self._tallies_view = machine.view(self._tallies)

    def read_on(self) -> None:
        """Lets a file that has grown be read on from where it ended; what lies behind damage stays unread."""
        if self._source.ended and self._source.failure is None:
            self._source.ended = self._ended = False
            self.problems = [problem for problem in self.problems if problem.name != "truncated-file"]

    @abstractmethod
    def _walk(self, records: Int64Array, room: int, out: Int64Array) -> None:
        """Run the format's kernel on the bytes of the source: it fills up to `room` records, and `out`."""

    @abstractmethod
    def _can_pass(self, status: int) -> bool:
        """Whether `_pass` would leave the bytes of records before it where they are."""

    @abstractmethod
    def _pass(self, status: int) -> bool:
        """Read past a block that is no packet, or past damage. False if reading ends here."""

    # -- interfaces and problems ---------------------------------------------------------------
    @property
    def interfaces(self) -> list[CaptureInterface]:
        """All interfaces so far, with what each captured so far; points, where `any` is split."""
        interfaces = self._interfaces
        if self._splitter:
            interfaces = self._splitter.expand(self._interfaces)
            self._make_tallies(len(interfaces))
        rows = self._tallies.reshape(-1, record.TALLY_WIDTH).tolist()
        for interface, (packets, size, first, last) in zip(interfaces, rows, strict=True):
            interface.packets, interface.bytes = packets, size
            interface.first, interface.last = (None, None) if first < 0 else (first, last)
        return interfaces

    def _add_interface(self, interface: CaptureInterface) -> None:
        interface.number = len(self._interfaces)
        self._interfaces.append(interface)
        if self._splitter is None:
            self._make_tallies(len(self._interfaces))

    def _make_tallies(self, count: int) -> None:
        """Have a tally for each of so many points."""
        missing = count - len(self._tallies) // record.TALLY_WIDTH
        self._tallies = np.concatenate([self._tallies, np.array([0, 0, -1, -1] * missing, dtype=np.int64)])
        self._tallies_view = self.machine.view(self._tallies)

    def _report(self, name: str, says: str) -> None:
        """Report a problem at the current position."""
        self.problems.append(CaptureProblem(name, self._source.offset, says))

    def _report_end(self) -> None:
        """Report why the source ended, if it ended too early."""
        source = self._source
        left = source.end - source.pos
        if source.failure:
            self._report("read-error", f"nothing behind this could be read: {source.failure}")
        elif source.error:
            self._report("broken-compression", f"the compressed stream is damaged: {source.error}")
        elif left:
            self._report("truncated-file", f"the file ends {left} bytes into a record")
        if source.is_replaced:
            says = "another file has the name of the one that was followed; that one was not read"
            self._report("file-replaced", says)

    def _report_cut_options(self, pos: int) -> None:
        """Report the first block, at `pos`, whose options, names or frame exceed it."""
        if all(problem.name != "damaged-options" for problem in self.problems):
            says = (
                "an option, a name or a frame in this block is longer than what is left of the block. What there is of "
                "it was read, and so was all behind the block; Wireshark reads no further"
            )
            self.problems.append(CaptureProblem("damaged-options", self._source.offset + pos - self._source.pos, says))

    # -- the file ------------------------------------------------------------------------------
    @property
    def file(self) -> str:
        """What problems and errors call the source."""
        return self._source.name

    @property
    def numbered(self) -> int:
        """Packets so far, and blocks that Wireshark numbers like packets."""
        return self._numbered

    @property
    def compression(self) -> str | None:
        """gzip, zstd or lz4; None if the source is not compressed."""
        return self._source.compression

    @property
    def size(self) -> int:
        """Bytes on disk; of a stream, uncompressed bytes read so far."""
        return self._source.read if self._source.size is None else self._source.size

    @property
    def taken(self) -> int:
        """Bytes on disk, or of a stream, read so far."""
        return self._source.taken

    @property
    def buffer_size(self) -> int:
        """Bytes of memory that hold what was read of the source and not yet decoded."""
        return len(self._source.buffer)

    def close(self) -> None:
        """Close the source. What was read stays."""
        super().close()
        self._source.close()
