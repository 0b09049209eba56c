"""Parses pcapng blocks that are no packets: sections, interfaces, names, comments (draft-ietf-opsawg-pcapng).

    +---------------------------------------------------------------+
    |                          block type                           |
    |                      block total length                       |
    |                 body, padded to a multiple of 4               |
    |                      block total length                       |
    +---------------------------------------------------------------+

Plain Python; the numbers of block types and options are defined here for all. `pcapng_walk` indexes the packets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import field
from ipaddress import IPv4Address, IPv6Address

from capnet.quick_dataclass import mutable

# Block types.
SECTION_HEADER = 0x0A0D0D0A
INTERFACE_DESCRIPTION = 1
OBSOLETE_PACKET = 2
SIMPLE_PACKET = 3
NAME_RESOLUTION = 4
INTERFACE_STATISTICS = 5
ENHANCED_PACKET = 6
# No packets, but Wireshark shows them as frames with a number of their own: systemd journal entries, custom blocks.
JOURNAL, CUSTOM, CUSTOM_NO_COPY = 9, 0x00000BAD, 0x40000BAD

PACKET_HEADER = 28  # bytes of an enhanced or obsolete packet block before the frame
SIMPLE_PACKET_HEADER = 12

# Options of every block, of an enhanced packet, of an interface, of interface statistics.
OPT_END, OPT_COMMENT = 0, 1
EPB_FLAGS, EPB_DROPCOUNT, EPB_PACKETID, EPB_QUEUE = 2, 4, 5, 6
IF_NAME, IF_DESCRIPTION, IF_MACADDR, IF_TSRESOL, IF_FILTER, IF_OS, IF_TSOFFSET = 2, 3, 6, 9, 11, 12, 14
ISB_STARTTIME, ISB_ENDTIME, ISB_IFRECV, ISB_IFDROP, ISB_OSDROP, ISB_USRDELIV = 2, 3, 4, 5, 7, 8
# Record types of a name resolution block.
NRB_END, NRB_IPV4, NRB_IPV6, NRB_EUI48 = 0, 1, 2, 3
_ADDRESS_SIZES = {NRB_IPV4: 4, NRB_IPV6: 16, NRB_EUI48: 6}

# Bounds of what a hostile file makes us keep or parse. A host of a container network has a handful of names.
MAX_NAMED_ADDRESSES = 1 << 16
MAX_NAMES_PER_ADDRESS = 64
MAX_NAME_RECORDS = 1 << 18  # records and blocks of names that are parsed, also repeated ones

MICROSECONDS = 6  # if_tsresol: 10^-6 s, where a file says nothing
MAX_TSOFFSET = 1 << 40  # seconds, some 35,000 years: sums with it stay within 64 bits


@mutable
class InterfaceBlock:
    """An interface description block. `resolution`: if_tsresol as in the file; `offset`: if_tsoffset, seconds."""

    linktype: int
    snaplen: int
    name: str | None = None
    description: str | None = None
    mac: str | None = None
    filter: str | None = None
    resolution: int = MICROSECONDS
    offset: int = 0


@mutable
class ResolvedNames:
    """Name resolution: address (IPv4, IPv6 or MAC text) → its names, in the order of the file.

    `left_out`: how often a limit left out a name. `records`: name records and blocks read so far.
    """

    of: dict[str, list[str]] = field(default_factory=dict)
    left_out: int = 0
    records: int = 0

    @property
    def is_full(self) -> bool:
        """Whether no more are parsed: a file may repeat one name as often as it likes."""
        return self.records > MAX_NAME_RECORDS

    def add(self, address: str, names: list[str]) -> None:
        """Append the names that this address does not have yet, within the limits."""
        if address not in self.of and len(self.of) == MAX_NAMED_ADDRESSES:
            self.left_out += 1
            return
        names_of_address = self.of.setdefault(address, [])
        for name in names:
            if name in names_of_address:
                continue
            if len(names_of_address) == MAX_NAMES_PER_ADDRESS:
                self.left_out += 1
                return
            names_of_address.append(name)


def is_pcapng(head: bytes) -> bool:
    """Whether these first bytes are the type of a section header block."""
    return head[:4] == b"\x0a\x0d\x0d\x0a"


def section_order(block: bytes) -> bool:
    """Byte order (True = big) of a section header block. ValueError if its magic is neither."""
    magic = block[8:12]
    if magic == b"\x1a\x2b\x3c\x4d":
        return True
    if magic == b"\x4d\x3c\x2b\x1a":
        return False
    raise ValueError(f"section header block with byte-order magic {magic.hex()}")


def section_version(block: bytes, big: bool) -> tuple[int, int]:
    """(major, minor) of a section header block; 1.0 is the one in use."""
    major, minor = struct.unpack_from(">HH" if big else "<HH", block, 12)
    return major, minor


def options(body: bytes | memoryview, big: bool) -> Iterator[tuple[int, bytes]]:
    """(code, value) of each option in a list. It ends early where an option exceeds the list."""
    at = 0
    form = ">HH" if big else "<HH"
    while at + 4 <= len(body):
        code, length = struct.unpack_from(form, body, at)
        if code == OPT_END or at + 4 + length > len(body):
            return
        yield code, bytes(body[at + 4 : at + 4 + length])
        at += 4 + (length + 3 & ~3)


def parse_interface(block: bytes, big: bool) -> InterfaceBlock:
    """An interface description block. ValueError if it is too short."""
    if len(block) < 20:
        raise ValueError("interface description block shorter than 20 bytes")
    linktype, _, snaplen = struct.unpack_from(">HHI" if big else "<HHI", block, 8)
    interface = InterfaceBlock(linktype, snaplen)
    for code, value in options(block[16:-4], big):
        if code == IF_NAME:
            interface.name = text(value)
        elif code == IF_DESCRIPTION:
            interface.description = text(value)
        elif code == IF_MACADDR and len(value) == 6:
            interface.mac = value.hex(":")
        elif code == IF_TSRESOL and len(value) == 1:
            interface.resolution = value[0]
        elif code == IF_FILTER and value:
            interface.filter = text(value[1:])
        elif code == IF_TSOFFSET and len(value) == 8:
            offset = int.from_bytes(value, "big" if big else "little", signed=True)
            interface.offset = max(-MAX_TSOFFSET, min(MAX_TSOFFSET, offset))
    return interface


def parse_names(block: bytes, big: bool, names: ResolvedNames) -> int:
    """Add the records of a name resolution block to `names`; the offset where its options begin.

    -1 if the last record exceeds the block. The end of the block's body if records end there or `names` is full.
    """
    at, end = 8, len(block) - 4
    form = ">HH" if big else "<HH"
    names.records += 1
    while at + 4 <= end:
        names.records += 1
        if names.is_full:
            names.left_out += 1
            return end
        kind, length = struct.unpack_from(form, block, at)
        value = bytes(block[at + 4 : at + 4 + length])
        at += 4 + (length + 3 & ~3)
        if kind == NRB_END:
            return at
        if at > end:
            return -1
        size = _ADDRESS_SIZES.get(kind)
        if size is not None and len(value) > size:
            names.add(_address_text(kind, value[:size]), [text(name) for name in value[size:].split(b"\0") if name])
    return at if at == end else -1


def _address_text(kind: int, address: bytes) -> str:
    if kind == NRB_EUI48:
        return address.hex(":")
    return str(IPv4Address(address) if kind == NRB_IPV4 else IPv6Address(address))


def packet_comments(buffer: memoryview, at: int, caplen: int, big: bool) -> list[str]:
    """Comments of the enhanced or obsolete packet block in which a frame of `caplen` bytes begins at `at`.

    They are as in the file, and as hostile as the rest of it: make them printable before they reach a terminal.
    """
    head = at - PACKET_HEADER
    end = head + int.from_bytes(buffer[head + 4 : head + 8], "big" if big else "little") - 4
    return [text(value) for code, value in options(buffer[at + (caplen + 3 & ~3) : end], big) if code == OPT_COMMENT]


def text(value: bytes) -> str:
    """An option's UTF-8 string; bytes that are not UTF-8 become replacement characters."""
    return value.split(b"\0", 1)[0].decode("utf-8", "replace")
