"""pcapng files: blocks.

    +---------------------------------------------------------------+
    |                          block type                           |
    |                      block total length                       |
    |                 body, padded to a multiple of 4               |
    |                      block total length                       |
    +---------------------------------------------------------------+

draft-ietf-opsawg-pcapng. A kernel walks packets, and what a file may hold as many of: drop counts, and blocks that are
passed over. Sections, interfaces and names are parsed here in plain Python, and are bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire.formats.record import (
    AT,
    CAPLEN,
    DAMAGE,
    FULL,
    LINKTYPE,
    MAX_CAPLEN,
    MAX_SECONDS,
    MORE,
    NUMBER,
    OTHER,
    POINT,
    TIME,
    WIDTH,
    WIRELEN,
)
from capnet.wire.octets import u16, u32

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
OPT_COMMENT = 1

MOST_NAMED = 1 << 16  # addresses that names are kept for
MOST_NAMES = 64  # of one address
MOST_RECORDS = 1 << 18  # of names, and blocks of them: so many are read, new or not

# A longer block is damage: the same bound as Wireshark's (16 MiB), so that no length in a file makes us allocate.
MAX_BLOCK = 16 << 20

# Timestamps beyond 2**63 units are clamped; so are offsets beyond some 35,000 years.
HALF_RANGE = 0x7FFFFFFF
MAX_OFFSET = 1 << 40

# Columns of the interface table that the walking kernel reads.
IF_LINKTYPE = 0
IF_SNAPLEN = 1
IF_RESOLUTION = 2  # k: units of 10**-k s; 128 + k: units of 2**-k s
IF_OFFSET = 3  # s to add
IF_POINT = 4
IF_DROPPED = 5  # packets, by its last statistics block that says so, at most MOST_DROPPED; -1 = not said
IF_WIDTH = 6
MOST_DROPPED = (1 << 62) - 1

# What a walk passes over.
PASS_NOTHING = 0
PASS_OTHERS = 1  # what is neither packet, section, interface nor name
PASS_NAMES = 2


@dataclass
class InterfaceBlock:
    """An interface description block."""

    linktype: int
    snaplen: int
    name: str | None = None
    description: str | None = None
    mac: str | None = None
    filter: str | None = None
    resolution: int = 6
    offset: int = 0


@dataclass
class Names:
    """Name resolution: address (IPv4, IPv6 or MAC text) → names, in the order of the file.

    Bounded, like all that is kept; `left_out`: how often there was no room for a name. `records`: read so far.
    """

    of: dict[str, list[str]] = field(default_factory=dict)
    left_out: int = 0
    records: int = 0

    @property
    def closed(self) -> bool:
        """No more are read: a file may repeat one name as often as it likes."""
        return self.records > MOST_RECORDS

    def add(self, address: str, names: list[str]) -> None:
        if address not in self.of and len(self.of) == MOST_NAMED:
            self.left_out += 1
            return
        known = self.of.setdefault(address, [])
        for name in names:
            if len(known) == MOST_NAMES and name not in known:
                self.left_out += 1
                return
            if name not in known:
                known.append(name)


def is_pcapng(head: bytes) -> bool:
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
    """(code, value) of an option list; a list that is cut or lies about its lengths just ends."""
    at = 0
    form = ">HH" if big else "<HH"
    while at + 4 <= len(body):
        code, length = struct.unpack_from(form, body, at)
        if code == 0 or at + 4 + length > len(body):
            return
        yield code, bytes(body[at + 4 : at + 4 + length])
        at += 4 + (length + 3 & ~3)


def parse_interface(block: bytes, big: bool) -> InterfaceBlock:
    """An interface description block. ValueError if it is too short."""
    if len(block) < 20:
        raise ValueError("interface description block shorter than 20 bytes")
    linktype, _, snaplen = struct.unpack_from(">HHI" if big else "<HHI", block, 8)
    found = InterfaceBlock(linktype, snaplen)
    for code, value in options(block[16:-4], big):
        if code == 2:
            found.name = text(value)
        elif code == 3:
            found.description = text(value)
        elif code == 6 and len(value) == 6:
            found.mac = ":".join(f"{byte:02x}" for byte in value)
        elif code == 9 and len(value) == 1:
            found.resolution = value[0]
        elif code == 11 and value:
            found.filter = text(value[1:])
        elif code == 14 and len(value) == 8:
            offset = int.from_bytes(value, "big" if big else "little", signed=True)
            found.offset = max(-MAX_OFFSET, min(MAX_OFFSET, offset))
    return found


def parse_names(block: bytes, big: bool, into: Names) -> bool:
    """The records of a name resolution block: IPv4 (1), IPv6 (2), EUI-48 (3). False: they or its options are cut."""
    at, end = 8, len(block) - 4
    form = ">HH" if big else "<HH"
    sizes = {1: 4, 2: 16, 3: 6}
    into.records += 1
    while at + 4 <= end:
        into.records += 1
        if into.closed:
            into.left_out += 1
            return True
        kind, length = struct.unpack_from(form, block, at)
        value = bytes(block[at + 4 : at + 4 + length])
        at += 4 + (length + 3 & ~3)
        if kind == 0:
            return ends_well(block, at, end, int(big))
        if at > end:
            return False
        size = sizes.get(kind)
        if size is None or len(value) <= size:
            continue
        raw, names = value[:size], [text(name) for name in value[size:].split(b"\0") if name]
        if kind == 1:
            into.add(str(IPv4Address(raw)), names)
        elif kind == 2:
            into.add(str(IPv6Address(raw)), names)
        else:
            into.add(":".join(f"{byte:02x}" for byte in raw), names)
    return at == end


def packet_comments(buffer: memoryview, at: int, caplen: int, big: bool) -> list[str]:
    """Comments of the enhanced or obsolete packet block in which a frame of `caplen` bytes begins at `at`.

    As they are in the file (opt_comment): what anybody wrote there, and hostile like everything else.
    """
    head = at - PACKET_HEADER
    end = head + int.from_bytes(buffer[head + 4 : head + 8], "big" if big else "little") - 4
    return [text(value) for code, value in options(buffer[at + (caplen + 3 & ~3) : end], big) if code == OPT_COMMENT]


def text(value: bytes) -> str:
    """An option's UTF-8 string; what is not UTF-8 stays visible as replacement characters."""
    return value.split(b"\0", 1)[0].decode("utf-8", "replace")


@inline
def nanoseconds(high: int, low: int, resolution: int, offset: int) -> int:
    """A pcapng timestamp → ns since 1970, clamped where 64 bits end.

    if_tsresol: 10**-k, or 2**-k when its top bit is set; if_tsoffset: seconds to add.
    """
    if resolution & 128:
        k = resolution & 127
        if k <= 32:
            seconds = ((high << (32 - k)) | (low >> k)) if high < (4 << k) else MAX_SECONDS
            fraction = ((low & ((1 << k) - 1)) * 1_000_000_000) >> k
        elif k < 64:
            seconds = high >> (k - 32)
            kept = ((high & ((1 << (k - 32)) - 1)) << (64 - k)) | (low >> (k - 32))
            fraction = (kept * 1_000_000_000) >> 32
        else:
            seconds = 0
            fraction = ((high >> min(k - 64, 32)) * 1_000_000_000) >> 32
    else:
        # Finer than nanoseconds: divided by 10 in two halves, because all 64 bits may be in use.
        for _ in range(min(resolution, 29) - 9):
            low = (((high % 10) << 32) | low) // 10
            high //= 10
        if high > HALF_RANGE:
            high = HALF_RANGE
        units = (high << 32) | low
        if resolution >= 9:
            seconds = units // 1_000_000_000
            fraction = units - seconds * 1_000_000_000
        else:
            per_second = 1
            for _ in range(resolution):
                per_second *= 10
            seconds = units // per_second
            fraction = (units - seconds * per_second) * (1_000_000_000 // per_second)
    if seconds > MAX_SECONDS:
        seconds = MAX_SECONDS
    seconds += offset
    if seconds > MAX_SECONDS:
        seconds = MAX_SECONDS
    elif seconds < 0:
        seconds = 0
    return seconds * 1_000_000_000 + fraction


@inline
def ends_well(buf: Any, at: int, end: int, big: int) -> bool:
    """Whether an option list ends where an option does, or at an opt_endofopt: the other lengths are true, then."""
    while at + 4 <= end:
        if u16(buf, at, big) == 0:
            return True
        at += 4 + ((u16(buf, at + 2, big) + 3) & ~3)
    return at == end


@inline
def dropped(buf: Any, at: int, end: int, big: int) -> int:
    """Packets that the options of an interface statistics block call dropped; -1 if they say nothing of it."""
    total = -1
    while at + 4 <= end:
        code = u16(buf, at, big)
        length = u16(buf, at + 2, big)
        at += 4
        if code == 0 or at + length > end:
            break
        # isb_ifdrop and isb_osdrop: dropped by the interface, dropped by the operating system
        if (code == 5 or code == 7) and length == 8:
            first, second = u32(buf, at, big), u32(buf, at + 4, big)
            high, low = (first, second) if big else (second, first)
            count = MOST_DROPPED if high >= 1 << 30 else (high << 32) + low
            total = min(max(total, 0) + count, MOST_DROPPED)
        at += (length + 3) & ~3
    return total


@inline
def is_numbered(kind: int) -> bool:
    """Whether Wireshark gives a block that is no packet a frame number."""
    return kind == JOURNAL or kind == CUSTOM or kind == CUSTOM_NO_COPY


@inline
def passes_over(kind: int, passing: int) -> bool:
    """Whether a walk that passes over this much can do without a block of this kind, which is no packet."""
    if kind == NAME_RESOLUTION:
        return passing & PASS_NAMES != 0
    return passing & PASS_OTHERS != 0 and kind != SECTION_HEADER and kind != INTERFACE_DESCRIPTION


@kernel
def walk(
    buf: Any,
    pos: int,
    end: int,
    big: int,
    interfaces: Any,
    base: int,
    count: int,
    passing: int,
    number: int,
    records: Any,
    room: int,
    out: Any,
) -> None:
    """Index the packets of `buf[pos:end]` up to the next block that is no packet and is not passed over.

    `passing`: a sum of PASS_. `interfaces` holds all interfaces of the file, those of this section are `base` to
    `count`. `number`: frames before this. `out` = number of records, position after them, how it ended, frames up to
    there, position of the first block whose options or frame are cut, -1 if there is none.
    """
    n = 0
    cut = -1
    status = MORE
    while True:
        if n == room:
            status = FULL
            break
        if pos + 12 > end:
            break
        kind = u32(buf, pos, big)
        if kind != ENHANCED_PACKET and kind != SIMPLE_PACKET and kind != OBSOLETE_PACKET:
            length = u32(buf, pos + 4, big)
            least = 24 if kind == INTERFACE_STATISTICS else 12
            whole = length >= least and length & 3 == 0 and length <= MAX_BLOCK and pos + length <= end
            if not whole or not passes_over(kind, passing) or u32(buf, pos + length - 4, big) != length:
                status = OTHER
                break
            if kind == INTERFACE_STATISTICS:
                if cut < 0 and not ends_well(buf, pos + 20, pos + length - 4, big):
                    cut = pos
                interface = base + u32(buf, pos + 8, big)
                drops = dropped(buf, pos + 20, pos + length - 4, big)
                if interface < count and drops >= 0:
                    interfaces[interface * IF_WIDTH + IF_DROPPED] = drops
            elif is_numbered(kind):
                number += 1
            pos += length
            continue
        length = u32(buf, pos + 4, big)
        if length < 16 or length & 3 or length > MAX_BLOCK:
            status = DAMAGE
            break
        if pos + length > end:
            break
        if u32(buf, pos + length - 4, big) != length:
            status = DAMAGE
            break
        time = -1
        if kind == SIMPLE_PACKET:
            interface = base
            if interface >= count:
                status = DAMAGE
                break
            wirelen = u32(buf, pos + 8, big)
            caplen = wirelen
            snaplen = interfaces[interface * IF_WIDTH + IF_SNAPLEN]
            if snaplen > 0:
                caplen = min(caplen, snaplen)
            if caplen > length - 16:
                caplen = length - 16
                if cut < 0:
                    cut = pos
            if caplen > MAX_CAPLEN:
                status = DAMAGE
                break
            at = pos + 12
        else:
            if length < 32:
                status = DAMAGE
                break
            if kind == ENHANCED_PACKET:
                interface = base + u32(buf, pos + 8, big)
            else:
                interface = base + u16(buf, pos + 8, big)
            caplen = u32(buf, pos + 20, big)
            wirelen = u32(buf, pos + 24, big)
            if interface >= count or caplen > length - 32 or caplen > MAX_CAPLEN:
                status = DAMAGE
                break
            f = interface * IF_WIDTH
            time = nanoseconds(
                u32(buf, pos + 12, big),
                u32(buf, pos + 16, big),
                interfaces[f + IF_RESOLUTION],
                interfaces[f + IF_OFFSET],
            )
            at = pos + 28
            after = at + ((caplen + 3) & ~3)
            if cut < 0 and after + 4 < pos + length and not ends_well(buf, after, pos + length - 4, big):
                cut = pos
        r = n * WIDTH
        records[r + AT] = at
        records[r + CAPLEN] = caplen
        records[r + WIRELEN] = wirelen
        records[r + TIME] = time
        records[r + POINT] = interfaces[interface * IF_WIDTH + IF_POINT]
        records[r + LINKTYPE] = interfaces[interface * IF_WIDTH + IF_LINKTYPE]
        number += 1
        records[r + NUMBER] = number
        n += 1
        pos += length
    out[0] = n
    out[1] = pos
    out[2] = status
    out[3] = number
    out[4] = cut
