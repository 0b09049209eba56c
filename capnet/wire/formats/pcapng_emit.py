"""The kernel that writes captured frames as Enhanced Packet Blocks and adds a packet id and a comment.

Bytes of frames never change. Options of a pcapng packet block (comments, flags, hashes, unknown ones) are copied,
except its packet id, which is replaced. A comment that the frame already has is not added again. Simple packet blocks,
which have no options, are copied; obsolete packet blocks become enhanced ones (draft-ietf-opsawg-pcapng, sections
4.3, 4.4 and appendix A).

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +---------------------------------------------------------------+
    |                        block type = 6                         |
    |                      block total length                       |
    |                         interface id                          |
    |                 timestamp, upper then lower half              |
    |               captured length, then original length           |
    |         the frame, padded; options; total length again        |
    +---------------------------------------------------------------+
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire.formats import pcapng
from capnet.wire.octets import u16, u32

# Columns of the table of frames to write.
AT = 0  # offset in the buffer of the frame's first byte
CAPLEN = 1
WIRELEN = 2
TIMED = 3  # 0: a simple packet block
INTERFACE = 4  # its number in the output
ID = 5  # packet id, 0 = none
TEXT = 6  # where its comment begins in `texts`, -1 = no comment
TEXT_END = 7
SINCE = 8  # a frame number that ends the comment, 0 = none
OUT = 9  # where its block begins in the output
LENGTH = 10  # of its block, as measured
WIDTH = 11


@kernel
def emit(
    buf: ByteArray,
    record_header: int,
    unit: int,
    big_in: int,
    big_out: int,
    table: Int64Array,
    count: int,
    texts: ByteArray,
    comment: ByteArray,
    out: ByteArray,
    write: int,
) -> None:
    """Measure (`write` 0: fills LENGTH) or write (`write` 1: at OUT) the blocks of `count` frames.

    `record_header`: bytes before a frame of a pcap file, 0 for pcapng. `unit`: how many of its fractions make a second.
    `comment`: scratch space for the longest of `texts` and 24 bytes more.
    """
    for k in range(count):
        t = k * WIDTH
        if record_header == 0 and table[t + TIMED] == 0:
            block = table[t + AT] - pcapng.SIMPLE_PACKET_HEADER
            length = u32(buf, block + 4, big_in)
            if write:
                copy(buf, block, length, out, table[t + OUT])
        else:
            size = spell(texts, table[t + TEXT], table[t + TEXT_END], table[t + SINCE], comment)
            length = emit_packet(buf, record_header, unit, big_in, big_out, table, t, comment, size, out, write)
        table[t + LENGTH] = length


@inline
def emit_packet(
    buf: ByteArray,
    record_header: int,
    unit: int,
    big_in: int,
    big_out: int,
    table: Int64Array,
    t: int,
    comment: ByteArray,
    comment_size: int,
    out: ByteArray,
    write: int,
) -> int:
    """Measure or write an enhanced packet block for the frame in row `t`; the length of the block."""
    at = table[t + AT]
    caplen = table[t + CAPLEN]
    begin = table[t + OUT]
    drops = 0
    options = at
    options_end = at
    if record_header:
        stamp = u32(buf, at - record_header, big_in) * unit + u32(buf, at - record_header + 4, big_in)
        high = stamp >> 32
        low = stamp & 0xFFFFFFFF
    else:
        block = at - pcapng.PACKET_HEADER
        high = u32(buf, block + 12, big_in)
        low = u32(buf, block + 16, big_in)
        if u32(buf, block, big_in) == pcapng.OBSOLETE_PACKET:
            drops = (u16(buf, block + 10, big_in) + 1) & 0xFFFF  # 0xFFFF: not known
        options = at + ((caplen + 3) & ~3)
        options_end = block + u32(buf, block + 4, big_in) - 4
    if write:
        put_header(out, begin, table, t, high, low, big_out)
        copy(buf, at, caplen, out, begin + pcapng.PACKET_HEADER)
        zero(out, begin + pcapng.PACKET_HEADER + caplen, -caplen & 3)
    bare = begin + pcapng.PACKET_HEADER + ((caplen + 3) & ~3)
    if has_comment(buf, options, options_end, big_in, comment, comment_size):
        comment_size = 0
    pos = copy_options(buf, options, options_end, big_in, big_out, out, bare, write)
    if drops > 1:
        pos = put_counter(out, pos, pcapng.EPB_DROPCOUNT, drops - 1, big_out, write)
    if comment_size > 0:
        if write:
            put16(out, pos, pcapng.OPT_COMMENT, big_out)
            put16(out, pos + 2, comment_size, big_out)
            copy(comment, 0, comment_size, out, pos + 4)
            zero(out, pos + 4 + comment_size, -comment_size & 3)
        pos += 4 + ((comment_size + 3) & ~3)
    if table[t + ID] > 0:
        pos = put_counter(out, pos, pcapng.EPB_PACKETID, table[t + ID], big_out, write)
    if pos > bare:
        if write:
            zero(out, pos, 4)  # opt_endofopt
        pos += 4
    if write:
        put32(out, pos, table[t + LENGTH], big_out)
    return pos + 4 - begin


@inline
def put_header(out: ByteArray, pos: int, table: Int64Array, t: int, high: int, low: int, big: int) -> None:
    """An enhanced packet block up to its frame."""
    put32(out, pos, pcapng.ENHANCED_PACKET, big)
    put32(out, pos + 4, table[t + LENGTH], big)
    put32(out, pos + 8, table[t + INTERFACE], big)
    put32(out, pos + 12, high, big)
    put32(out, pos + 16, low, big)
    put32(out, pos + 20, table[t + CAPLEN], big)
    put32(out, pos + 24, table[t + WIRELEN], big)


@inline
def has_comment(buf: ByteArray, options: int, end: int, big: int, comment: ByteArray, size: int) -> bool:
    """Whether an option list has this comment."""
    while options + 4 <= end:
        code = u16(buf, options, big)
        length = u16(buf, options + 2, big)
        if code == pcapng.OPT_END or options + 4 + length > end:
            return False
        if code == pcapng.OPT_COMMENT and length == size:
            k = 0
            while k < size and buf[options + 4 + k] == comment[k]:
                k += 1
            if k == size:
                return True
        options += 4 + ((length + 3) & ~3)
    return False


@inline
def copy_options(
    buf: ByteArray, options: int, end: int, big_in: int, big_out: int, out: ByteArray, pos: int, write: int
) -> int:
    """Measure or write an option list without its packet id and its end; the position behind it."""
    while options + 4 <= end:
        code = u16(buf, options, big_in)
        length = u16(buf, options + 2, big_in)
        if code == pcapng.OPT_END or options + 4 + length > end:
            break
        if code != pcapng.EPB_PACKETID:
            if write:
                put16(out, pos, code, big_out)
                put16(out, pos + 2, length, big_out)
                copy_value(buf, options + 4, length, code, big_in != big_out, out, pos + 4)
                zero(out, pos + 4 + length, -length & 3)
            pos += 4 + ((length + 3) & ~3)
        options += 4 + ((length + 3) & ~3)
    return pos


@inline
def spell(texts: ByteArray, start: int, end: int, since: int, comment: ByteArray) -> int:
    """Write the comment of one frame into `comment`; its length, 0 for none."""
    if start < 0:
        return 0
    size = end - start
    copy(texts, start, size, comment, 0)
    if since > 0:
        comment[size] = 32  # space
        comment[size + 1] = 35  # #
        size += 2
        digits = 1
        power = 10
        while since >= power:
            power *= 10
            digits += 1
        for k in range(digits):
            comment[size + digits - 1 - k] = 48 + since % 10
            since //= 10
        size += digits
    return size


@inline
def copy_value(buf: ByteArray, at: int, size: int, code: int, turn: int, out: ByteArray, pos: int) -> None:
    """Copy an option's value; `turn`: the output has the other byte order, so numbers are reversed."""
    if turn and (code == pcapng.EPB_FLAGS or code == pcapng.EPB_DROPCOUNT or code == pcapng.EPB_QUEUE):
        for k in range(size):
            out[pos + k] = buf[at + size - 1 - k]
    else:
        copy(buf, at, size, out, pos)


@inline
def copy(buf: ByteArray, at: int, count: int, out: ByteArray, pos: int) -> None:
    """Copy octet by octet: assigning a slice would allocate memory, which kernels cannot."""
    for k in range(count):
        out[pos + k] = buf[at + k]


@inline
def put_counter(out: ByteArray, pos: int, code: int, value: int, big: int, write: int) -> int:
    """Measure or write an option of 64 bits; the position behind it."""
    if write:
        put16(out, pos, code, big)
        put16(out, pos + 2, 8, big)
        put64(out, pos + 4, value, big)
    return pos + 12


@inline
def put16(out: ByteArray, at: int, value: int, big: int) -> None:
    """Write 16 bits in the byte order of the file."""
    if big:
        out[at] = value >> 8 & 255
        out[at + 1] = value & 255
    else:
        out[at] = value & 255
        out[at + 1] = value >> 8 & 255


@inline
def put32(out: ByteArray, at: int, value: int, big: int) -> None:
    """Write 32 bits in the byte order of the file."""
    for k in range(4):
        out[at + (3 - k if big else k)] = value >> 8 * k & 255


@inline
def put64(out: ByteArray, at: int, value: int, big: int) -> None:
    """Write 64 bits in the byte order of the file."""
    for k in range(8):
        out[at + (7 - k if big else k)] = value >> 8 * k & 255


@inline
def zero(out: ByteArray, at: int, count: int) -> None:
    """Write `count` zero octets."""
    for k in range(count):
        out[at + k] = 0
