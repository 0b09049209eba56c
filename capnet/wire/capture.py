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
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np

from capnet.errors import UnreadableInput
from capnet.wire import inflate, pcap, pcapng
from capnet.wire import records as rec
from capnet.wire.decode import decode
from capnet.wire.frames import BLANK, WIDTH, Block
from capnet.wire.kernel import Buffer, Machine
from capnet.wire.source import Source, open_source

RECORDS = 8192  # per batch
ROWS = 16384  # per block

# Behind damage: how much is looked at to find records again, and how often in one file.
SEARCHED = 2 << 20
MAX_GAPS = 20

# Every interface is a point, looked at by itself: thousands are no capture of a network, but a file made to be slow.
MAX_INTERFACES = 4096
MAX_SECTIONS = 1 << 16  # most of them without any interface, then

# Below this many bytes the interpreter is done before the compiler (or its cache) has even been loaded.
INTERPRET_BELOW_CACHED = 1 << 20
INTERPRET_BELOW_UNCACHED = 6 << 20


_NOTHING = Buffer(0)


@dataclass
class Damage:
    """What was wrong, at which offset of the (uncompressed) file."""

    name: str
    offset: int
    says: str


@dataclass
class Interface:
    """Where frames came from: the pcap file itself, or one interface description block."""

    linktype: int
    snaplen: int
    name: str | None = None
    description: str | None = None
    mac: str | None = None
    dropped: int | None = None
    packets: int = 0
    bytes: int = 0  # on the wire
    first: int | None = None  # ns
    last: int | None = None


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
        self.problems: list[Damage] = []
        self._interfaces: list[Interface] = []
        self._tallies = np.zeros(0, dtype=np.int64)
        self.names = pcapng.Names()
        self.packets = 0
        self._numbered = 0  # packets, and blocks that Wireshark numbers like packets
        self._table = np.zeros(0, dtype=np.int64)  # interfaces, as the walker reads them
        self._section = 0  # first interface of the current section
        self._sections = 0
        self._big = False
        self._on_block = on_block
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
        self._have(24)
        head = bytes(source.buffer[source.pos : min(source.end, source.pos + 24)])
        if not head:
            raise UnreadableInput(f"{source.name}: {self._why_nothing()}")
        try:
            if pcap.is_pcap(head):
                self.format = "pcap"
                self._pcap = pcap.parse_header(head)
                source.pos += pcap.HEADER
                self._listen(Interface(self._pcap.linktype, self._pcap.snaplen))
            elif pcapng.is_pcapng(head):
                self.format = "pcapng"
                if not self._section_header():
                    raise ValueError(f"its first block is damaged: {self.problems[-1].says}")
            elif inflate.compression(head):
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

    def _have(self, count: int) -> bool:
        """Make `count` bytes available at `pos`; False if the file ends before."""
        source = self._source
        while source.end - source.pos < count:
            if not source.more(max(count, pcapng.MAX_BLOCK)):
                return False
        return True

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
                count, pos, status, self._numbered, cut = batch.out.tolist()
                if cut >= 0:
                    self._cut_options(cut)
                source.pos = pos
                n += count
            self._dry = status == rec.MORE
            if status == rec.FULL or (n and not self._is_here(status)):
                break
            if status == rec.MORE:
                self._dry = False
                if not source.more(pcapng.MAX_BLOCK + 64):
                    self._end()
                    self._ended = True
            elif status == rec.OTHER:
                self._ended = not self._other()
            else:
                self._ended = not self._past_damage()
        if not n:
            return False
        self.packets += n
        self.machine.run(rec.tally)(batch.view["records"], n, view(self._tallies))
        batch.buffer, batch.count, batch.interfaces = source.lend(), n, len(self._interfaces)
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
        source = self._source
        if status == rec.MORE:
            return False
        if status == rec.DAMAGE:
            return self.format != "pcap"  # else more is read, to find where records begin again
        head = bytes(source.buffer[source.pos : min(source.end, source.pos + 8)])
        if self._on_block or len(head) < 8 or pcapng.is_pcapng(head):
            return False
        return source.pos + int.from_bytes(head[4:], "big" if self._big else "little") <= source.end

    def _past_damage(self) -> bool:
        """Where no record can begin: go on where records certainly begin again (pcap), or say that reading ends."""
        source = self._source
        says = "what begins here cannot be a record; nothing behind it was read"
        last = int(self._tallies[rec.TALLY_LAST]) if self.format == "pcap" else -1
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
                    f"number {self._numbered + 1} on have it here alone"
                )
                self._damage("damaged-file", says)
                source.pos = at
                return True
        self._damage("damaged-file", says)
        return False

    def _walk(self, records: Any, room: int, out: Any) -> None:
        source, view = self._source, self.machine.view
        buffer = self.machine.bytes(source.buffer)
        if self.format == "pcap":
            head = self._pcap
            self.machine.run(pcap.walk)(
                buffer, source.pos, source.end, int(head.big), head.unit, head.record_header, head.linktype,
                self._numbered, records, room, out,
            )  # fmt: skip
        else:
            self.machine.run(pcapng.walk)(
                buffer, source.pos, source.end, int(self._big), view(self._table), self._section,
                len(self._interfaces), self._passing(), self._numbered, records, room, out,
            )  # fmt: skip

    def _passing(self) -> int:
        """Which blocks nobody asks for."""
        if self._on_block:
            return pcapng.PASS_NOTHING
        return pcapng.PASS_OTHERS | (pcapng.PASS_NAMES if self.names.closed else 0)

    @property
    def interfaces(self) -> list[Interface]:
        """All interfaces so far, with what each has heard so far."""
        for interface, (packets, size, first, last) in zip(
            self._interfaces, self._tallies.reshape(-1, rec.TALLY_WIDTH).tolist(), strict=True
        ):
            interface.packets, interface.bytes = packets, size
            interface.first, interface.last = (None, None) if first < 0 else (first, last)
        said = self._table[pcapng.IF_DROPPED :: pcapng.IF_WIDTH].tolist()  # in pcap nothing
        for interface, drops in zip(self._interfaces, said, strict=False):
            interface.dropped = None if drops < 0 else drops
        return self._interfaces

    # -- pcapng blocks that are no packets -----------------------------------------------------
    def _other(self) -> bool:
        """Take in the block at `pos`; False if reading must stop."""
        source = self._source
        big = self._big
        if pcapng.is_pcapng(bytes(source.buffer[source.pos : source.pos + 4])):
            self._have(28)
            return self._section_header()
        if not self._have(12):
            self._end()
            return False
        order: Literal["big", "little"] = "big" if big else "little"
        at = source.pos
        kind = int.from_bytes(source.buffer[at : at + 4], order)
        length = int.from_bytes(source.buffer[at + 4 : at + 8], order)
        block = self._take(length, order)
        if block is None:
            return False
        whole = True
        try:
            if kind == pcapng.INTERFACE_DESCRIPTION:
                if len(self._interfaces) == MAX_INTERFACES:
                    self._damage(
                        "too-many-interfaces", f"interface number {MAX_INTERFACES}; nothing behind it was read"
                    )
                    return False
                self._add_interface(pcapng.parse_interface(block, big))
                whole = pcapng.ends_well(block, 16, length - 4, int(big))
            elif kind == pcapng.INTERFACE_STATISTICS:
                self._count_dropped(block)
                whole = pcapng.ends_well(block, 20, length - 4, int(big))
            elif kind == pcapng.NAME_RESOLUTION:
                complete = not self.names.left_out
                whole = pcapng.parse_names(block, big, self.names)
                if complete and self.names.left_out:
                    says = f"names of more than {pcapng.MOST_NAMED} addresses, or too many of one, are left out"
                    self._damage("too-many-names", says)
            elif pcapng.is_numbered(kind):
                self._numbered += 1
        except ValueError as error:
            self._damage("damaged-file", f"{error}; nothing behind it was read")
            return False
        if not whole:
            self._cut_options(source.pos)
        source.pos += length
        if self._on_block:
            self._on_block(block, big)
        return True

    def _count_dropped(self, block: bytes) -> None:
        """An interface statistics block that the walker did not pass over. ValueError if it is too short."""
        if len(block) < 24:
            raise ValueError("interface statistics block shorter than 24 bytes")
        interface = self._section + int.from_bytes(block[8:12], "big" if self._big else "little")
        drops = pcapng.dropped(block, 20, len(block) - 4, int(self._big))
        if interface < len(self._interfaces) and drops >= 0:
            self._table[interface * pcapng.IF_WIDTH + pcapng.IF_DROPPED] = drops

    def _take(self, length: int, order: Literal["big", "little"]) -> bytes | None:
        """The whole block of `length` bytes at `pos`, or None (and a problem) if it is not one."""
        source = self._source
        if length < 12 or length & 3 or length > pcapng.MAX_BLOCK:
            self._damage("damaged-file", f"a block of {length} bytes; nothing behind it was read")
            return None
        if not self._have(length):
            self._end()
            return None
        block = bytes(source.buffer[source.pos : source.pos + length])
        if int.from_bytes(block[-4:], order) != length:
            self._damage("damaged-file", "a block whose two lengths differ; nothing behind it was read")
            return None
        return block

    def _section_header(self) -> bool:
        source = self._source
        if self._sections == MAX_SECTIONS:
            self._damage("too-many-sections", f"section number {MAX_SECTIONS}; nothing behind it was read")
            return False
        if not self._have(28):
            self._end()
            return False
        head = bytes(source.buffer[source.pos : source.pos + 28])
        try:
            big = pcapng.section_order(head)
        except ValueError as error:
            self._damage("damaged-file", str(error))
            return False
        major, minor = pcapng.section_version(head, big)
        if major != 1 or minor not in (0, 2):
            self._damage("unknown-version", f"a section of pcapng version {major}.{minor} (1.0 is known)")
            return False
        length = int.from_bytes(head[4:8], "big" if big else "little")
        block = self._take(length, "big" if big else "little")
        if block is None:
            return False
        if self._on_block:
            self._on_block(block, big)
        if not pcapng.ends_well(block, 24, length - 4, int(big)):
            self._cut_options(source.pos)
        self._big = big
        self._section = len(self._interfaces)
        self._sections += 1
        source.pos += length
        return True

    def _add_interface(self, found: pcapng.InterfaceBlock) -> None:
        index = len(self._interfaces)
        self._listen(Interface(found.linktype, found.snaplen, found.name, found.description, found.mac))
        row = [found.linktype, found.snaplen, found.resolution, found.offset, index, -1]
        self._table = np.concatenate([self._table, np.array(row, dtype=np.int64)])

    def _listen(self, interface: Interface) -> None:
        self._interfaces.append(interface)
        self._tallies = np.concatenate([self._tallies, np.array([0, 0, -1, -1], dtype=np.int64)])

    # -- the end, and what was wrong -------------------------------------------------------------
    def _end(self) -> None:
        source = self._source
        left = source.end - source.pos
        if source.failure:
            self._damage("read-error", f"nothing behind this could be read: {source.failure}")
        elif source.error:
            self._damage("broken-compression", f"the compressed stream is damaged: {source.error}")
        elif left:
            self._damage("truncated-file", f"the file ends {left} bytes into a record")
        if source.is_replaced:
            says = "another file has the name of the one that was followed; that one was not read"
            self._damage("file-replaced", says)

    def _cut_options(self, pos: int) -> None:
        """The options, names or frame in the block at `pos` lie about their length: said of the first such block."""
        if all(each.name != "damaged-options" for each in self.problems):
            says = (
                "an option, a name or a frame in this block is longer than what is left of the block. What there is of "
                "it was read, and so was all behind the block; Wireshark reads no further"
            )
            self.problems.append(Damage("damaged-options", self._source.offset + pos - self._source.pos, says))

    def _damage(self, name: str, says: str) -> None:
        self.problems.append(Damage(name, self._source.offset, says))

    # -- about the input ---------------------------------------------------------------------------
    @property
    def pcap_header(self) -> pcap.PcapHeader | None:
        """The header of a pcap file, None for pcapng."""
        return self._pcap if self.format == "pcap" else None

    @property
    def big(self) -> bool:
        """Byte order of the current pcapng section."""
        return self._big

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


def worth_compiling(paths: list[Path]) -> bool:
    """Whether files of this size in all are read faster compiled, loading or running the compiler included.

    Compressed files count several times: what they hold decides.
    """
    total = 0
    for path in paths:
        try:
            size = path.stat().st_size
        except OSError:
            continue  # opening it will say so
        total += size * 6 if path.suffix in inflate.SUFFIXES else size
    return total >= _limit()


def open_capture(
    where: str | PathLike[str] | BinaryIO,
    *,
    name: str | None = None,
    compiled: bool | None = None,
    vxlan_port: int = 0,
    on_block: Callable[[bytes, bool], None] | None = None,
    until: Event | None = None,
) -> Capture:
    """Open a pcap or pcapng file, plain or compressed, or a binary stream of one.

    `compiled`: run the kernels compiled (True), interpreted (False), or as fits the size (None).
    `vxlan_port`: a UDP port that always is VXLAN, besides 4789.
    `on_block` is given every pcapng block that is no packet, in its place among the packets, and whether it is
    big-endian. `until`: the file may be growing, and ends when this is set. Raises UnreadableInput.
    """
    source = open_source(Path(where) if isinstance(where, str | PathLike) else where, name, until)
    try:
        return Capture(source, compiled, vxlan_port, on_block)
    except BaseException:
        source.close()
        raise
