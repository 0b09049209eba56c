"""The blocks of a pcapng file that are no packets: sections, their interfaces, what these dropped, and names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from capnet.wire.formats import pcapng
from capnet.wire.formats.byte_source import Source
from capnet.wire.formats.capture_state import Found, Interface

# Every interface is a point, looked at by itself: thousands are no capture of a network, but a file made to be slow.
MAX_INTERFACES = 4096
MAX_SECTIONS = 1 << 16  # most of them without any interface, then


class Sections:
    """What is known of a file's sections, as far as it was read.

    `table`: interfaces, as the walker reads them; `first`: of the current section, `big` its byte order. `on_block` is
    given every block that is taken in.
    """

    def __init__(self, source: Source, found: Found, on_block: Callable[[bytes, bool], None] | None) -> None:
        self._source = source
        self._found = found
        self._on_block = on_block
        self._count = 0
        self.big = False
        self.first = 0
        self.table = np.zeros(0, dtype=np.int64)
        self.names = pcapng.Names()

    @property
    def passing(self) -> int:
        """Which blocks nobody asks for."""
        if self._on_block:
            return pcapng.PASS_NOTHING
        return pcapng.PASS_OTHERS | (pcapng.PASS_NAMES if self.names.closed else 0)

    def is_here(self) -> bool:
        """Whether the block at `pos` can be taken in without moving the bytes of packets before it."""
        source = self._source
        head = bytes(source.buffer[source.pos : min(source.end, source.pos + 8)])
        if self._on_block or len(head) < 8 or pcapng.is_pcapng(head):
            return False
        return source.pos + int.from_bytes(head[4:], "big" if self.big else "little") <= source.end

    def with_drops(self, interfaces: list[Interface]) -> list[Interface]:
        """The interfaces, with what their statistics say so far."""
        said = self.table[pcapng.IF_DROPPED :: pcapng.IF_WIDTH].tolist()  # of pcap nothing
        for interface, drops in zip(interfaces, said, strict=False):
            interface.dropped = None if drops < 0 else drops
        return interfaces

    def begin(self) -> bool:
        """Take in the section header at `pos`; False if reading must stop."""
        source = self._source
        if self._count == MAX_SECTIONS:
            self._found.damage("too-many-sections", f"section number {MAX_SECTIONS}; nothing behind it was read")
            return False
        if not source.have(28):
            self._found.end()
            return False
        head = bytes(source.buffer[source.pos : source.pos + 28])
        try:
            big = pcapng.section_order(head)
        except ValueError as error:
            self._found.damage("damaged-file", str(error))
            return False
        major, minor = pcapng.section_version(head, big)
        if major != 1 or minor not in (0, 2):
            self._found.damage("unknown-version", f"a section of pcapng version {major}.{minor} (1.0 is known)")
            return False
        length = int.from_bytes(head[4:8], "big" if big else "little")
        block = self._whole(length, "big" if big else "little")
        if block is None:
            return False
        if self._on_block:
            self._on_block(block, big)
        if not pcapng.ends_well(block, 24, length - 4, int(big)):
            self._found.cut_options(source.pos)
        self.big = big
        self.first = len(self._found.interfaces)
        self._count += 1
        source.pos += length
        return True

    def take(self) -> bool:
        """Take in the block at `pos`; False if reading must stop."""
        source = self._source
        big = self.big
        if pcapng.is_pcapng(bytes(source.buffer[source.pos : source.pos + 4])):
            source.have(28)
            return self.begin()
        if not source.have(12):
            self._found.end()
            return False
        order: Literal["big", "little"] = "big" if big else "little"
        at = source.pos
        kind = int.from_bytes(source.buffer[at : at + 4], order)
        length = int.from_bytes(source.buffer[at + 4 : at + 8], order)
        block = self._whole(length, order)
        if block is None:
            return False
        whole = True
        try:
            if kind == pcapng.INTERFACE_DESCRIPTION:
                if len(self._found.interfaces) == MAX_INTERFACES:
                    self._found.damage(
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
                    self._found.damage("too-many-names", says)
            elif pcapng.is_numbered(kind):
                self._found.numbered += 1
        except ValueError as error:
            self._found.damage("damaged-file", f"{error}; nothing behind it was read")
            return False
        if not whole:
            self._found.cut_options(source.pos)
        source.pos += length
        if self._on_block:
            self._on_block(block, big)
        return True

    def _count_dropped(self, block: bytes) -> None:
        """An interface statistics block that the walker did not pass over. ValueError if it is too short."""
        if len(block) < 24:
            raise ValueError("interface statistics block shorter than 24 bytes")
        interface = self.first + int.from_bytes(block[8:12], "big" if self.big else "little")
        drops = pcapng.dropped(block, 20, len(block) - 4, int(self.big))
        if interface < len(self._found.interfaces) and drops >= 0:
            self.table[interface * pcapng.IF_WIDTH + pcapng.IF_DROPPED] = drops

    def _whole(self, length: int, order: Literal["big", "little"]) -> bytes | None:
        """The whole block of `length` bytes at `pos`, or None (and a problem) if it is not one."""
        source = self._source
        if length < 12 or length & 3 or length > pcapng.MAX_BLOCK:
            self._found.damage("damaged-file", f"a block of {length} bytes; nothing behind it was read")
            return None
        if not source.have(length):
            self._found.end()
            return None
        block = bytes(source.buffer[source.pos : source.pos + length])
        if int.from_bytes(block[-4:], order) != length:
            self._found.damage("damaged-file", "a block whose two lengths differ; nothing behind it was read")
            return None
        return block

    def _add_interface(self, found: pcapng.InterfaceBlock) -> None:
        index = len(self._found.interfaces)
        self._found.listen(Interface(found.linktype, found.snaplen, found.name, found.description, found.mac))
        row = [found.linktype, found.snaplen, found.resolution, found.offset, index, -1]
        self.table = np.concatenate([self.table, np.array(row, dtype=np.int64)])
