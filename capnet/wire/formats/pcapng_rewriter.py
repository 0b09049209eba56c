"""Captured frames → Enhanced Packet Blocks with something added: a packet id, a comment. Bytes of frames never change.

What a pcapng packet block has besides (comments, flags, hashes, unknown options) is copied; its packet id is replaced.
A comment that the frame already has is not added again. Simple packet blocks, which can hold no options, are copied as
they are; obsolete packet blocks become enhanced ones (draft-ietf-opsawg-pcapng, sections 4.3, 4.4 and appendix A).

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

from typing import Any

from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire.octets import u16, u32

ENHANCED, SIMPLE, OBSOLETE = 6, 3, 2
HEADER = 28  # bytes of an enhanced or obsolete packet block before the frame
SIMPLE_HEADER = 12

OPT_COMMENT, OPT_FLAGS, OPT_DROPS, OPT_PACKET_ID, OPT_QUEUE = 1, 2, 4, 5, 6

# Columns of the table of frames to write, WIDTH numbers each.
AT = 0  # offset in the buffer of the frame's first byte
CAPLEN = 1
WIRELEN = 2
TIMED = 3  # 0: a simple packet block
INTERFACE = 4  # its number in the output
ID = 5  # packet id, 0 = none
TEXT = 6  # where its comment begins in `texts`, -1 = no comment
TEXT_END = 7
SINCE = 8  # a frame number that ends the comment, 0 = none
OUT = 9  # where its block begins in the output; the kernel adds up lengths when it only measures
LENGTH = 10  # of its block, as measured
WIDTH = 11


@kernel
def emit(
    buf: Any, record_header: int, unit: int, big_in: int, big_out: int,
    table: Any, count: int, texts: Any, comment: Any, out: Any, write: int,
) -> None:  # fmt: skip
    """Measure (`write` 0: fills LENGTH) or write (`write` 1: at OUT) the blocks of `count` frames.

    `record_header`: bytes before a frame of a pcap file, 0 for pcapng. `unit`: how many of its fractions make a second.
    `comment`: scratch space for the longest of `texts` and 24 bytes more.
    """
    for k in range(count):
        t = k * WIDTH
        at = table[t + AT]
        caplen = table[t + CAPLEN]
        pos = table[t + OUT]
        begin = pos
        if record_header == 0 and table[t + TIMED] == 0:
            length = u32(buf, at - SIMPLE_HEADER + 4, big_in)
            if write:
                copy(buf, at - SIMPLE_HEADER, length, out, pos)
            table[t + LENGTH] = length
            continue
        drops = 0
        options = at
        options_end = at
        if record_header:
            stamp = u32(buf, at - record_header, big_in) * unit + u32(buf, at - record_header + 4, big_in)
            high = stamp >> 32
            low = stamp & 0xFFFFFFFF
        else:
            block = at - HEADER
            high = u32(buf, block + 12, big_in)
            low = u32(buf, block + 16, big_in)
            if u32(buf, block, big_in) == OBSOLETE:
                drops = (u16(buf, block + 10, big_in) + 1) & 0xFFFF  # 0xFFFF: not known
            options = at + ((caplen + 3) & ~3)
            options_end = block + u32(buf, block + 4, big_in) - 4
        if write:
            put32(out, pos, ENHANCED, big_out)
            put32(out, pos + 4, table[t + LENGTH], big_out)
            put32(out, pos + 8, table[t + INTERFACE], big_out)
            put32(out, pos + 12, high, big_out)
            put32(out, pos + 16, low, big_out)
            put32(out, pos + 20, caplen, big_out)
            put32(out, pos + 24, table[t + WIRELEN], big_out)
            copy(buf, at, caplen, out, pos + HEADER)
            zero(out, pos + HEADER + caplen, -caplen & 3)
        pos += HEADER + ((caplen + 3) & ~3)
        bare = pos
        says = spell(texts, table[t + TEXT], table[t + TEXT_END], table[t + SINCE], comment)
        while options + 4 <= options_end:
            code = u16(buf, options, big_in)
            size = u16(buf, options + 2, big_in)
            if code == 0 or options + 4 + size > options_end:
                break
            if code == OPT_COMMENT and size == says:
                k_same = 0
                while k_same < says and buf[options + 4 + k_same] == comment[k_same]:
                    k_same += 1
                if k_same == says:
                    says = 0
            if code != OPT_PACKET_ID:
                if write:
                    put16(out, pos, code, big_out)
                    put16(out, pos + 2, size, big_out)
                    copy_value(buf, options + 4, size, code, big_in != big_out, out, pos + 4)
                    zero(out, pos + 4 + size, -size & 3)
                pos += 4 + ((size + 3) & ~3)
            options += 4 + ((size + 3) & ~3)
        if drops > 1:
            if write:
                put16(out, pos, OPT_DROPS, big_out)
                put16(out, pos + 2, 8, big_out)
                put64(out, pos + 4, drops - 1, big_out)
            pos += 12
        if says > 0:
            if write:
                put16(out, pos, OPT_COMMENT, big_out)
                put16(out, pos + 2, says, big_out)
                copy(comment, 0, says, out, pos + 4)
                zero(out, pos + 4 + says, -says & 3)
            pos += 4 + ((says + 3) & ~3)
        if table[t + ID] > 0:
            if write:
                put16(out, pos, OPT_PACKET_ID, big_out)
                put16(out, pos + 2, 8, big_out)
                put64(out, pos + 4, table[t + ID], big_out)
            pos += 12
        if pos > bare:
            if write:
                zero(out, pos, 4)  # opt_endofopt
            pos += 4
        pos += 4
        if write:
            put32(out, pos - 4, table[t + LENGTH], big_out)
        table[t + LENGTH] = pos - begin


@inline
def spell(texts: Any, start: int, end: int, since: int, comment: Any) -> int:
    """The comment of one frame, into `comment`; its length, 0 for none."""
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
def copy_value(buf: Any, at: int, size: int, code: int, turn: int, out: Any, pos: int) -> None:
    """An option's value; one that is a number is turned when the output has the other byte order."""
    if turn and (code == OPT_FLAGS or code == OPT_DROPS or code == OPT_QUEUE):
        for k in range(size):
            out[pos + k] = buf[at + size - 1 - k]
    else:
        copy(buf, at, size, out, pos)


@inline
def copy(buf: Any, at: int, count: int, out: Any, pos: int) -> None:
    """Octet by octet: a slice assigned to a slice would allocate memory, which kernels cannot."""
    for k in range(count):
        out[pos + k] = buf[at + k]


@inline
def put16(out: Any, at: int, value: int, big: int) -> None:
    if big:
        out[at] = value >> 8 & 255
        out[at + 1] = value & 255
    else:
        out[at] = value & 255
        out[at + 1] = value >> 8 & 255


@inline
def put32(out: Any, at: int, value: int, big: int) -> None:
    for k in range(4):
        out[at + (3 - k if big else k)] = value >> 8 * k & 255


@inline
def put64(out: Any, at: int, value: int, big: int) -> None:
    for k in range(8):
        out[at + (7 - k if big else k)] = value >> 8 * k & 255


@inline
def zero(out: Any, at: int, count: int) -> None:
    for k in range(count):
        out[at + k] = 0
