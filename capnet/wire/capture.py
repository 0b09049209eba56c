"""A capture, read once from front to back: walker → decoder → blocks of rows.

    with open_capture(Path("overlay.pcapng")) as capture:
        for block in capture.blocks():
            block["ttl"]                 # int64 array, one value per row

Damage does not raise: reading stops there, and `capture.problems` says what was wrong at which offset. In pcap it goes
on where records certainly begin again, and says so.
Only a file that is no capture at all is an error (UnreadableInput).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from capnet.errors import UnreadableInput
from capnet.jit.arrays import Buffer
from capnet.jit.kernel import Machine
from capnet.wire.block import Block
from capnet.wire.decode import decode
from capnet.wire.fields import BLANK, WIDTH
from capnet.wire.formats import compression, pcap, pcapng
from capnet.wire.formats import record as rec
from capnet.wire.formats.byte_source import Source, open_source
from capnet.wire.formats.capture_state import Damage, Found, Interface
from capnet.wire.formats.pcapng_sections import Sections

RECORDS = 8192  # per batch
ROWS = 16384  # per block

# Behind damage: how much is looked at to find records again, and how often in one file.
SEARCHED = 2 << 20
MAX_GAPS = 20

# Below this many bytes the interpreter is done before the compiler (or its cache) has even been loaded.
INTERPRET_BELOW_CACHED = 1 << 20
INTERPRET_BELOW_UNCACHED = 6 << 20


_NOTHING = Buffer(0)


class Record(NamedTuple):
    """One captured frame as it lies in the file; `data` is only valid until the next one is asked for."""

    number: int
    interface: int
    time: int  # ns since 1970 UTC; -1 if the file has none
    caplen: int
    wirelen: int
    data: memoryview


class Batch:
    """Records found and not yet decoded, and space to decode them in. Reused: see `Capture.take`.

    Who has one may decode it in a thread of its own: nothing in it belongs to another one.
    """

    def __init__(self, machine: Machine) -> None:
        self.records = np.zeros(RECORDS * rec.WIDTH, dtype=np.int64)
        self.flat = np.empty(ROWS * WIDTH, dtype=np.int64)
        self.record_at = np.zeros(ROWS, dtype=np.int64)
        self.out = np.zeros(5, dtype=np.int64)
        self.buffer = _NOTHING
        self.count = 0  # records
        self.done = 0  # of them decoded
        self.interfaces = 0  # known when it was read
        self.view = {
            name: machine.view(array)
            for name, array in (
                ("records", self.records),
                ("flat", self.flat),
                ("record_at", self.record_at),
                ("out", self.out),
                ("blank", BLANK),
            )
        }


class Capture:
    """See the module. Attributes fill as the file is read: look at them when `blocks()` has ended."""

    def __init__(
        self, source: Source, compiled: bool | None, vxlan_port: int, on_block: Callable[[bytes, bool], None] | None
    ) -> None:
        self._source = source
        self._vxlan_port = vxlan_port
        self._found = Found(source)
        self._sections = Sections(source, self._found, on_block)  # of pcapng
        self.packets = 0
        self._ended = False
        self._dry = False  # no whole record is left in what was read
        self.machine = Machine(self._choose(compiled))
        self._open()

    # -- opening -----------------------------------------------------------------------------
    def _choose(self, compiled: bool | None) -> bool:
        if compiled is not None:
            return compiled
        limit = _limit()
        if self._source.size is not None and self._source.compression is None:
            return self._source.size >= limit
        while self._source.end < limit and self._source.more(limit):
            pass
        return self._source.end >= limit

    def _open(self) -> None:
        source = self._source
        source.have(pcap.HEADER)
        head = bytes(source.buffer[source.pos : min(source.end, source.pos + 24)])
        if not head:
            raise UnreadableInput(f"{source.name}: {self._why_nothing()}")
        try:
            if pcap.is_pcap(head):
                self.format = "pcap"
                self._pcap = pcap.parse_header(head)
                source.pos += pcap.HEADER
                self._found.listen(Interface(self._pcap.linktype, self._pcap.snaplen))
            elif pcapng.is_pcapng(head):
                self.format = "pcapng"
                if not self._sections.begin():
                    raise ValueError(f"its first block is damaged: {self.problems[-1].says}")
            elif compression.detect(head):
                raise ValueError("compressed twice; unpack it once")
            else:
                raise ValueError("neither pcap nor pcapng (capnet reads these, plain or gzip, zstd, lz4)")
        except ValueError as error:
            raise UnreadableInput(f"{source.name}: {error}") from error

    def _why_nothing(self) -> str:
        """Why there is not one byte to be read."""
        source = self._source
        if source.error and not source.failure:
            return f"the {source.compression} stream is damaged where it begins: {source.error}"
        return source.failure or "the file is empty"

    # -- reading -----------------------------------------------------------------------------
    def blocks(self) -> Iterator[Block]:
        """Decode everything that is left. A block is valid until the next one is asked for."""
        batch = Batch(self.machine)
        while self.take(batch):
            while (block := self.decode(batch)) is not None:
                yield block

    def records(self) -> Iterator[Record]:
        """All frames that are left, undecoded, one by one: for copying captures, not for analysis."""
        batch = Batch(self.machine)
        while self.take(batch):
            raw = memoryview(batch.buffer)
            for row in batch.records[: batch.count * rec.WIDTH].reshape(batch.count, rec.WIDTH).tolist():
                at, caplen, wirelen, time, point, _, number = row
                yield Record(number, point, time, caplen, wirelen, raw[at : at + caplen])

    def take(self, batch: Batch) -> bool:
        """Read on: fill `batch` with the next records, at least one. False at the end.

        Only one thread at a time may take. What the batch held before is given back.
        """
        source, view = self._source, self.machine.view
        source.give_back(batch.buffer)
        batch.buffer, batch.count, batch.done = _NOTHING, 0, 0
        n = 0
        while not self._ended:
            if self._dry:
                count, status = 0, rec.MORE
            else:
                walked = view(batch.records[n * rec.WIDTH :]) if n else batch.view["records"]
                self._walk(walked, RECORDS - n, batch.view["out"])
                count, pos, status, self._found.numbered, cut = batch.out.tolist()
                if cut >= 0:
                    self._found.cut_options(cut)
                source.pos = pos
                n += count
            self._dry = status == rec.MORE
            if status == rec.FULL or (n and not self._is_here(status)):
                break
            if status == rec.MORE:
                self._dry = False
                if not source.more(pcapng.MAX_BLOCK + 64):
                    self._found.end()
                    self._ended = True
            elif status == rec.OTHER:
                self._ended = not self._sections.take()
            else:
                self._ended = not self._past_damage()
        if not n:
            return False
        self.packets += n
        self.machine.run(rec.tally)(batch.view["records"], n, view(self._found.tallies))
        batch.buffer, batch.count, batch.interfaces = source.lend(), n, len(self._found.interfaces)
        return True

    def decode(self, batch: Batch) -> Block | None:
        """The next block of rows of a batch, valid until the batch is decoded further or taken again; None behind it.

        Batches may be decoded in several threads, each batch in one.
        """
        if batch.done == batch.count:
            return None
        space = batch.view
        self.machine.run(decode)(
            self.machine.bytes(batch.buffer), space["records"], batch.done, batch.count, self._vxlan_port,
            space["blank"], space["flat"], ROWS, space["record_at"], space["out"],
        )  # fmt: skip
        done, rows, layers, odd, answers = batch.out.tolist()
        batch.done = done
        return Block(
            batch.flat, space["flat"], rows, memoryview(batch.buffer), batch.record_at, layers, bool(odd), bool(answers)
        )

    def _is_here(self, status: int) -> bool:
        """Whether reading can go on behind records that were found, without moving the bytes they are in."""
        if status == rec.MORE:
            return False
        if status == rec.DAMAGE:
            return self.format != "pcap"  # else more is read, to find where records begin again
        return self._sections.is_here()

    def _past_damage(self) -> bool:
        """Where no record can begin: go on where records certainly begin again (pcap), or say that reading ends."""
        source = self._source
        says = "what begins here cannot be a record; nothing behind it was read"
        last = int(self._found.tallies[rec.TALLY_LAST]) if self.format == "pcap" else -1
        if last >= 0 and len(self.problems) < MAX_GAPS:
            while source.end - source.pos < SEARCHED and source.more(pcapng.MAX_BLOCK):
                pass
            found = pcap.resume(source.buffer, source.pos, source.end, self._pcap, last, source.ended)
            if found:
                at, records = found
                offset = source.offset + at - source.pos
                says = (
                    f"what begins here cannot be a record; {at - source.pos} bytes further on, at offset {offset}, "
                    f"{records} records in a row begin, and reading went on there. Wireshark does not: frames from "
                    f"number {self._found.numbered + 1} on have it here alone"
                )
                self._found.damage("damaged-file", says)
                source.pos = at
                return True
        self._found.damage("damaged-file", says)
        return False

    def _walk(self, records: Any, room: int, out: Any) -> None:
        source, view = self._source, self.machine.view
        buffer = self.machine.bytes(source.buffer)
        if self.format == "pcap":
            head = self._pcap
            self.machine.run(pcap.walk)(
                buffer, source.pos, source.end, int(head.big), head.unit, head.record_header, head.linktype,
                self._found.numbered, records, room, out,
            )  # fmt: skip
        else:
            here = self._sections
            self.machine.run(pcapng.walk)(
                buffer, source.pos, source.end, int(here.big), view(here.table), here.first,
                len(self._found.interfaces), here.passing, self._found.numbered, records, room, out,
            )  # fmt: skip

    # -- about the input ---------------------------------------------------------------------------
    @property
    def pcap_header(self) -> pcap.PcapHeader | None:
        """The header of a pcap file, None for pcapng."""
        return self._pcap if self.format == "pcap" else None

    @property
    def big(self) -> bool:
        """Byte order of the current pcapng section."""
        return self._sections.big

    @property
    def problems(self) -> list[Damage]:
        return self._found.problems

    @property
    def names(self) -> pcapng.Names:
        return self._sections.names

    @property
    def interfaces(self) -> list[Interface]:
        """All interfaces so far, with what each has heard so far."""
        return self._sections.with_drops(self._found.heard())

    @property
    def file(self) -> str:
        return self._source.name

    @property
    def compression(self) -> str | None:
        return self._source.compression

    @property
    def size(self) -> int:
        """Bytes on disk; for a stream, bytes read so far."""
        return self._source.read if self._source.size is None else self._source.size

    @property
    def taken(self) -> int:
        """Bytes on disk, or of a stream, read so far."""
        return self._source.taken

    def close(self) -> None:
        self._source.close()

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _limit() -> int:
    return INTERPRET_BELOW_CACHED if decode.is_cached() else INTERPRET_BELOW_UNCACHED


def worth_compiling(files: list[tuple[Path, int]]) -> bool:
    """Whether files of these sizes are read faster compiled, loading or running the compiler included.

    Compressed files count several times: what they hold decides.
    """
    return sum(size * 6 if path.suffix in compression.SUFFIXES else size for path, size in files) >= _limit()


def open_capture(
    where: str | PathLike[str] | BinaryIO,
    *,
    name: str | None = None,
    size: int | None = None,
    compiled: bool | None = None,
    vxlan_port: int = 0,
    on_block: Callable[[bytes, bool], None] | None = None,
    until: Event | None = None,
) -> Capture:
    """Open a pcap or pcapng file, plain or compressed, or a binary stream of one.

    `size`: bytes of the file, where the caller knows them already.
    `compiled`: run the kernels compiled (True), interpreted (False), or as fits the size (None).
    `vxlan_port`: a UDP port that always is VXLAN, besides 4789.
    `on_block` is given every pcapng block that is no packet, in its place among the packets, and whether it is
    big-endian. `until`: the file may be growing, and ends when this is set. Raises UnreadableInput.
    """
    source = open_source(Path(where) if isinstance(where, str | PathLike) else where, name, until, size)
    try:
        return Capture(source, compiled, vxlan_port, on_block)
    except BaseException:  # also Ctrl-C, while a stream does not come: whatever it is, the file is not left open
        source.close()
        raise
