"""The kernel that indexes the packets of a pcapng file.

It also takes in the other blocks that a file may hold in any number: statistics, and blocks that are passed over.
`pcapng_reader` owns the interface table and parses the blocks at which the kernel stops.
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire.formats import pcapng, record
from capnet.wire.octets import MAX_CLAMPED, clamped, u16, u32

# Columns of the interface table.
INTERFACE_LINKTYPE = 0
INTERFACE_SNAPLEN = 1
INTERFACE_RESOLUTION = 2  # if_tsresol; k: units of 10**-k s; 128 + k: units of 2**-k s
INTERFACE_OFFSET = 3  # if_tsoffset, seconds to add
INTERFACE_POINT = 4
INTERFACE_DROPPED = 5  # packets, by its last statistics block with a drop count; -1 without one
INTERFACE_STARTED = 6  # in units of the file; -1 if no statistics block says it, as of the next three
INTERFACE_ENDED = 7
INTERFACE_RECEIVED = 8  # packets
INTERFACE_DELIVERED = 9  # packets that the capture program was handed
INTERFACE_WIDTH = 10

MAX_HIGH = 0x7FFFFFFF  # upper half of a timestamp: beyond 2**63 units it is clamped

# Which blocks a walk passes over: a sum.
PASS_NOTHING = 0
PASS_OTHERS = 1  # all but packets, sections, interfaces and names
PASS_NAMES = 2

# What a packet block is.
IS_WHOLE = 0
IS_CUT = 1  # its frame or its options exceed the block; what there is of them is used
IS_DAMAGED = 2


@kernel
def walk(
    buf: ByteArray,
    pos: int,
    end: int,
    big: int,
    interfaces: Int64Array,
    base: int,
    count: int,
    passing: int,
    number: int,
    records: Int64Array,
    room: int,
    out: Int64Array,
) -> None:
    """Index the packets of `buf[pos:end]`, at most `room`, up to the next other block that is not passed over.

    `interfaces`: the table of all interfaces of the file; rows `base` to `count` are those of this section.
    `passing`: a sum of PASS_. `number`: frames before these. `out` = number of records, position after them, how it
    ended, frames up to there, position of the first block whose options or frame are cut (-1: none).
    """
    n = 0
    cut = -1
    status = record.MORE
    while True:
        if n == room:
            status = record.FULL
            break
        if pos + 12 > end:
            break
        kind = u32(buf, pos, big)
        length = u32(buf, pos + 4, big)
        if kind != pcapng.ENHANCED_PACKET and kind != pcapng.SIMPLE_PACKET and kind != pcapng.OBSOLETE_PACKET:
            if not passes_over(kind, passing) or not is_whole(buf, pos, end, kind, length, big):
                status = record.OTHER
                break
            if kind == pcapng.INTERFACE_STATISTICS:
                if cut < 0 and not ends_well(buf, pos + 20, pos + length - 4, big):
                    cut = pos
                keep_statistics(buf, pos, length, big, interfaces, base, count)
            elif is_numbered(kind):
                number += 1
            pos += length
            continue
        if length < 16 or length & 3 or length > record.MAX_BLOCK:
            status = record.DAMAGE
            break
        if pos + length > end:
            break
        r = n * record.WIDTH
        if u32(buf, pos + length - 4, big) != length:
            state = IS_DAMAGED
        elif kind == pcapng.SIMPLE_PACKET:
            state = index_simple_packet(buf, pos, length, big, interfaces, base, count, records, r)
        else:
            state = index_packet(buf, pos, length, kind, big, interfaces, base, count, records, r)
        if state == IS_DAMAGED:
            status = record.DAMAGE
            break
        if state == IS_CUT and cut < 0:
            cut = pos
        number += 1
        records[r + record.NUMBER] = number
        n += 1
        pos += length
    out[0] = n
    out[1] = pos
    out[2] = status
    out[3] = number
    out[4] = cut


@inline
def index_packet(
    buf: ByteArray,
    pos: int,
    length: int,
    kind: int,
    big: int,
    interfaces: Int64Array,
    base: int,
    count: int,
    records: Int64Array,
    r: int,
) -> int:
    """Index an enhanced or obsolete packet block in row `r`; IS_WHOLE, IS_CUT or IS_DAMAGED."""
    if length < 32:
        return IS_DAMAGED
    if kind == pcapng.ENHANCED_PACKET:
        interface = base + u32(buf, pos + 8, big)
    else:
        interface = base + u16(buf, pos + 8, big)
    caplen = u32(buf, pos + 20, big)
    if interface >= count or caplen > length - 32 or caplen > record.MAX_CAPLEN:
        return IS_DAMAGED
    f = interface * INTERFACE_WIDTH
    at = pos + pcapng.PACKET_HEADER
    records[r + record.AT] = at
    records[r + record.CAPLEN] = caplen
    records[r + record.WIRELEN] = u32(buf, pos + 24, big)
    records[r + record.TIME] = nanoseconds(
        u32(buf, pos + 12, big),
        u32(buf, pos + 16, big),
        interfaces[f + INTERFACE_RESOLUTION],
        interfaces[f + INTERFACE_OFFSET],
    )
    records[r + record.POINT] = interfaces[f + INTERFACE_POINT]
    records[r + record.LINKTYPE] = interfaces[f + INTERFACE_LINKTYPE]
    behind = at + ((caplen + 3) & ~3)
    if behind + 4 < pos + length and not ends_well(buf, behind, pos + length - 4, big):
        return IS_CUT
    return IS_WHOLE


@inline
def index_simple_packet(
    buf: ByteArray,
    pos: int,
    length: int,
    big: int,
    interfaces: Int64Array,
    base: int,
    count: int,
    records: Int64Array,
    r: int,
) -> int:
    """Index a simple packet block in row `r`; IS_WHOLE, IS_CUT or IS_DAMAGED. It has no time."""
    if base >= count:
        return IS_DAMAGED
    f = base * INTERFACE_WIDTH
    wirelen = u32(buf, pos + 8, big)
    caplen = wirelen
    snaplen = interfaces[f + INTERFACE_SNAPLEN]
    if snaplen > 0:
        caplen = min(caplen, snaplen)
    state = IS_WHOLE
    if caplen > length - 16:
        caplen = length - 16
        state = IS_CUT
    if caplen > record.MAX_CAPLEN:
        return IS_DAMAGED
    records[r + record.AT] = pos + pcapng.SIMPLE_PACKET_HEADER
    records[r + record.CAPLEN] = caplen
    records[r + record.WIRELEN] = wirelen
    records[r + record.TIME] = -1
    records[r + record.POINT] = interfaces[f + INTERFACE_POINT]
    records[r + record.LINKTYPE] = interfaces[f + INTERFACE_LINKTYPE]
    return state


@inline
def nanoseconds(high: int, low: int, resolution: int, offset: int) -> int:
    """A pcapng timestamp → ns since 1970, clamped to what 64 bits hold.

    `resolution`: if_tsresol, 10**-k s, or 2**-k s if its top bit is set. `offset`: if_tsoffset, seconds to add.
    """
    if resolution & 128:
        k = resolution & 127
        if k <= 32:
            seconds = ((high << (32 - k)) | (low >> k)) if high < (4 << k) else record.MAX_SECONDS
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
        if high > MAX_HIGH:
            high = MAX_HIGH
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
    if seconds > record.MAX_SECONDS:
        seconds = record.MAX_SECONDS
    seconds += offset
    if seconds > record.MAX_SECONDS:
        seconds = record.MAX_SECONDS
    elif seconds < 0:
        seconds = 0
    return seconds * 1_000_000_000 + fraction


@inline
def ends_well(buf: ByteArray, at: int, end: int, big: int) -> bool:
    """Whether an option list ends at `end` or at an opt_endofopt. If not, one of its lengths is wrong."""
    while at + 4 <= end:
        if u16(buf, at, big) == pcapng.OPT_END:
            return True
        at += 4 + ((u16(buf, at + 2, big) + 3) & ~3)
    return at == end


@inline
def keep_statistics(
    buf: ByteArray, pos: int, length: int, big: int, interfaces: Int64Array, base: int, count: int
) -> None:
    """Keep what an interface statistics block says. Ignored: what it does not say, and blocks of no known interface."""
    interface, drops, at, end = base + u32(buf, pos + 8, big), -1, pos + 20, pos + length - 4
    if interface >= count:
        return
    row = interface * INTERFACE_WIDTH
    while at + 4 <= end:
        code = u16(buf, at, big)
        size = u16(buf, at + 2, big)
        at += 4
        if code == pcapng.OPT_END or at + size > end:
            break
        if size == 8:
            first, second = u32(buf, at, big), u32(buf, at + 4, big)
            value = clamped(first, second) if big else clamped(second, first)
            if code == pcapng.ISB_STARTTIME:  # two words, the upper one first in either byte order
                interfaces[row + INTERFACE_STARTED] = clamped(first, second)
            elif code == pcapng.ISB_ENDTIME:
                interfaces[row + INTERFACE_ENDED] = clamped(first, second)
            elif code == pcapng.ISB_IFRECV:
                interfaces[row + INTERFACE_RECEIVED] = value
            elif code == pcapng.ISB_USRDELIV:
                interfaces[row + INTERFACE_DELIVERED] = value
            elif code == pcapng.ISB_IFDROP or code == pcapng.ISB_OSDROP:
                drops = min(max(drops, 0) + value, MAX_CLAMPED)
        at += (size + 3) & ~3
    if drops >= 0:
        interfaces[row + INTERFACE_DROPPED] = drops


@inline
def is_numbered(kind: int) -> bool:
    """Whether Wireshark gives this block, which is no packet, a frame number."""
    return kind == pcapng.JOURNAL or kind == pcapng.CUSTOM or kind == pcapng.CUSTOM_NO_COPY


@inline
def passes_over(kind: int, passing: int) -> bool:
    """Whether a walk passes over blocks of this kind, which are no packets."""
    if kind == pcapng.NAME_RESOLUTION:
        return passing & PASS_NAMES != 0
    return passing & PASS_OTHERS != 0 and kind != pcapng.SECTION_HEADER and kind != pcapng.INTERFACE_DESCRIPTION


@inline
def is_whole(buf: ByteArray, pos: int, end: int, kind: int, length: int, big: int) -> bool:
    """Whether the buffer holds all of a block that is no packet, with two equal lengths that are possible."""
    if length < (24 if kind == pcapng.INTERFACE_STATISTICS else 12):
        return False
    if length & 3 or length > record.MAX_BLOCK or pos + length > end:
        return False
    return u32(buf, pos + length - 4, big) == length
