"""Reads pcapng files: the walk kernel indexes packets, and stops at blocks that are parsed here.

These are sections, their interfaces, what interfaces dropped, and names. Their number is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np

from capnet.jit.arrays import Int64Array
from capnet.jit.kernel import Machine
from capnet.wire.formats import pcapng, pcapng_walk, record
from capnet.wire.formats.byte_source import ByteSource
from capnet.wire.formats.file_reader import FileReader
from capnet.wire.formats.reader import CaptureInterface, Decoder

# Every interface becomes a capture point: no capture of a network has thousands, only a file made to be slow.
MAX_INTERFACES = 4096
MAX_SECTIONS = 1 << 16  # sections may have no interface
MIN_TIME_NS = 946_684_800_000_000_000  # the year 2000: there was no pcapng before
SECTION_BODY = 24  # bytes of a section header block before its options
MIN_SECTION = 28

# Is given each block that is no packet, and whether it is big-endian.
BlockHandler: TypeAlias = Callable[[bytes, bool], None]


class PcapngReader(FileReader):
    """Reads a pcapng file. ValueError says what is wrong with its first section header.

    `on_block`: is given every block that is no packet, in its place among the packets.
    """

    format = "pcapng"

    def __init__(
        self, source: ByteSource, machine: Machine, decoder: Decoder, on_block: BlockHandler | None = None
    ) -> None:
        super().__init__(source, machine, decoder)
        self._on_block = on_block
        self._sections = 0  # begun so far
        self._first = 0  # interface of the current section
        self.interface_table = np.zeros(0, dtype=np.int64)  # interfaces, see `pcapng_walk`
        if not self._begin_section():
            raise ValueError(f"its first block is damaged: {self.problems[-1].says}")

    @property
    def interfaces(self) -> list[CaptureInterface]:
        """All interfaces so far, with what each captured so far, and its statistics so far."""
        rows = self.interface_table.reshape(-1, pcapng_walk.INTERFACE_WIDTH).tolist()
        for interface, row in zip(self._interfaces, rows, strict=True):
            units = row[pcapng_walk.INTERFACE_RESOLUTION], row[pcapng_walk.INTERFACE_OFFSET]
            interface.started = _statistics_time(row[pcapng_walk.INTERFACE_STARTED], *units)
            interface.ended = _statistics_time(row[pcapng_walk.INTERFACE_ENDED], *units)
            interface.dropped, interface.received, interface.delivered = (
                None if row[column] < 0 else row[column]
                for column in (
                    pcapng_walk.INTERFACE_DROPPED, pcapng_walk.INTERFACE_RECEIVED, pcapng_walk.INTERFACE_DELIVERED,
                )
            )  # fmt: skip
        return super().interfaces

    # -- packets -----------------------------------------------------------------------------
    def _walk(self, records: Int64Array, room: int, out: Int64Array) -> None:
        source = self._source
        self.machine.run(pcapng_walk.walk)(
            self.machine.bytes(source.buffer), source.pos, source.end, int(self.big),
            self.machine.view(self.interface_table), self._first, len(self._interfaces), self._passing(),
            self._numbered, records, room, out,
        )  # fmt: skip

    def _passing(self) -> int:
        """Which blocks the walk passes over."""
        if self._on_block:
            return pcapng_walk.PASS_NOTHING
        return pcapng_walk.PASS_OTHERS | (pcapng_walk.PASS_NAMES if self.names.is_full else 0)

    def _can_pass(self, status: int) -> bool:
        if status != record.OTHER:
            return status == record.DAMAGE  # which ends the reading
        source = self._source
        head = bytes(source.buffer[source.pos : min(source.end, source.pos + 8)])
        if self._on_block or len(head) < 8 or pcapng.is_pcapng(head):
            return False
        return source.pos + int.from_bytes(head[4:], self._order()) <= source.end

    def _pass(self, status: int) -> bool:
        if status == record.OTHER:
            return self.read_block()
        self._report("damaged-file", "what begins here cannot be a record; nothing behind it was read")
        return False

    # -- other blocks ------------------------------------------------------------------------
    def _begin_section(self) -> bool:
        """Read the section header block at the current position. False if reading must stop."""
        source = self._source
        if self._sections == MAX_SECTIONS:
            self._report("too-many-sections", f"section number {MAX_SECTIONS}; nothing behind it was read")
            return False
        if not source.ensure(MIN_SECTION):
            self._report_end()
            return False
        head = bytes(source.buffer[source.pos : source.pos + MIN_SECTION])
        try:
            big = pcapng.section_order(head)
        except ValueError as error:
            self._report("damaged-file", str(error))
            return False
        major, minor = pcapng.section_version(head, big)
        if major != 1 or minor not in (0, 2):
            self._report("unknown-version", f"a section of pcapng version {major}.{minor} (1.0 is known)")
            return False
        block = self._whole_block(big)
        if block is None:
            return False
        if self._on_block:
            self._on_block(block, big)
        if not pcapng_walk.ends_well(block, SECTION_BODY, len(block) - 4, int(big)):
            self._report_cut_options(source.pos)
        self.big = big
        self._first = len(self._interfaces)
        self._sections += 1
        source.pos += len(block)
        return True

    def read_block(self) -> bool:
        """Read the block at the current position, which is no packet. False if reading must stop."""
        source = self._source
        if pcapng.is_pcapng(bytes(source.buffer[source.pos : source.pos + 4])):
            return self._begin_section()
        if not source.ensure(12):
            self._report_end()
            return False
        block = self._whole_block(self.big)
        if block is None:
            return False
        kind = int.from_bytes(block[:4], self._order())
        if kind == pcapng.INTERFACE_DESCRIPTION and len(self._interfaces) == MAX_INTERFACES:
            self._report("too-many-interfaces", f"interface number {MAX_INTERFACES}; nothing behind it was read")
            return False
        try:
            options_at = self._parse(kind, block)
        except ValueError as error:
            self._report("damaged-file", f"{error}; nothing behind it was read")
            return False
        if options_at < 0 or not pcapng_walk.ends_well(block, options_at, len(block) - 4, int(self.big)):
            self._report_cut_options(source.pos)
        source.pos += len(block)
        if self._on_block:
            self._on_block(block, self.big)
        return True

    def _parse(self, kind: int, block: bytes) -> int:
        """Keep what this block says. The offset of its options; its end if they do not matter; -1 if it is cut.

        ValueError if it is too short.
        """
        if kind == pcapng.INTERFACE_DESCRIPTION:
            self._keep_interface(pcapng.parse_interface(block, self.big))
            return 16
        if kind == pcapng.INTERFACE_STATISTICS:
            if len(block) < 24:
                raise ValueError("interface statistics block shorter than 24 bytes")
            interfaces = len(self._interfaces)
            pcapng_walk.keep_statistics(
                block, 0, len(block), int(self.big), self.interface_table, self._first, interfaces
            )
            return 20
        if kind == pcapng.NAME_RESOLUTION:
            return self._keep_names(block)
        if pcapng_walk.is_numbered(kind):
            self._numbered += 1
        return len(block) - 4

    def _keep_interface(self, block: pcapng.InterfaceBlock) -> None:
        row = [-1] * pcapng_walk.INTERFACE_WIDTH
        row[: pcapng_walk.INTERFACE_DROPPED] = (
            block.linktype, block.snaplen, block.resolution, block.offset, len(self._interfaces),
        )  # fmt: skip
        self.interface_table = np.concatenate([self.interface_table, np.array(row, dtype=np.int64)])
        self._add_interface(
            CaptureInterface(
                block.linktype, block.snaplen, block.name, block.description, block.mac, filter=block.filter
            )
        )

    def _keep_names(self, block: bytes) -> int:
        was_complete = not self.names.left_out
        options_at = pcapng.parse_names(block, self.big, self.names)
        if was_complete and self.names.left_out:
            says = f"names of more than {pcapng.MAX_NAMED_ADDRESSES} addresses, or too many of one, are left out"
            self._report("too-many-names", says)
        return options_at

    def _whole_block(self, big: bool) -> bytes | None:
        """The block at the current position; None, and a problem, if its lengths are wrong or the file ends in it."""
        source = self._source
        order: Literal["big", "little"] = "big" if big else "little"
        length = int.from_bytes(source.buffer[source.pos + 4 : source.pos + 8], order)
        if length < 12 or length & 3 or length > record.MAX_BLOCK:
            self._report("damaged-file", f"a block of {length} bytes; nothing behind it was read")
            return None
        if not source.ensure(length):
            self._report_end()
            return None
        block = bytes(source.buffer[source.pos : source.pos + length])
        if int.from_bytes(block[-4:], order) != length:
            self._report("damaged-file", "a block whose two lengths differ; nothing behind it was read")
            return None
        return block

    def _order(self) -> Literal["big", "little"]:
        return "big" if self.big else "little"


def _statistics_time(units: int, resolution: int, offset: int) -> int | None:
    """ns since 1970 of a time in interface statistics; None if `units` is below 0.

    The draft wants the units of the interface. dumpcap and tshark 4 count microseconds whatever these are: in
    nanoseconds that is January 1970, when there was no pcapng.
    """
    if units < 0:
        return None
    time_ns = pcapng_walk.nanoseconds(units >> 32, units & 0xFFFFFFFF, resolution, offset)
    if 0 < time_ns < MIN_TIME_NS:
        microseconds = pcapng_walk.nanoseconds(units >> 32, units & 0xFFFFFFFF, pcapng.MICROSECONDS, offset)
        return microseconds if microseconds >= MIN_TIME_NS else time_ns
    return time_ns
