"""TCP (RFC 9293) with the timestamps option (RFC 7323).

|          Source Port          |       Destination Port        |
|                        Sequence Number                        |
|                    Acknowledgment Number                      |
| Offset| Rsrvd |    Control    |            Window             |
|           Checksum            |         Urgent Pointer        |
|                           [Options]                           |
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields
from capnet.wire.octets import be16, be32, u8

MIN_OFFSET = 5  # words of 32 bits (RFC 9293 section 3.1)


@inline
def tcp(buf: ByteArray, at: int, end: int, length: int, rows: Int64Array, r: int) -> None:
    """Fill the TCP fields of row `r`; `length` is the segment's on the wire, header included.

    A header that was cut gives the fields that were captured. A data offset below 5 words is no TCP header (RFC 9293
    section 3.1): what stands behind it means nothing.
    """
    if at + 4 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return
    rows[r + fields.LAYERS] |= fields.LAYER_TCP
    rows[r + fields.SPORT] = be16(buf, at)
    rows[r + fields.DPORT] = be16(buf, at + 2)
    if at + 13 <= end and u8(buf, at + 12) >> 4 < MIN_OFFSET:
        rows[r + fields.SEQ] = be32(buf, at + 4)
        rows[r + fields.REASON] = fields.REASON_MALFORMED
        rows[r + fields.DETAIL] = fields.LAYER_TCP
        return
    if at + 20 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        if at + 8 <= end:
            rows[r + fields.SEQ] = be32(buf, at + 4)
        if at + 12 <= end:
            rows[r + fields.ACK] = be32(buf, at + 8)
        if at + 14 <= end:
            rows[r + fields.TCP_FLAGS] = be16(buf, at + 12) & 0xFFF
        if at + 16 <= end:
            rows[r + fields.WINDOW] = be16(buf, at + 14)
        return
    rows[r + fields.SEQ] = be32(buf, at + 4)
    rows[r + fields.ACK] = be32(buf, at + 8)
    control = be16(buf, at + 12)
    rows[r + fields.TCP_FLAGS] = control & 0xFFF
    rows[r + fields.WINDOW] = be16(buf, at + 14)
    header = (control >> 12) * 4
    if header > length:
        rows[r + fields.REASON] = fields.REASON_MALFORMED
        return
    rows[r + fields.PAYLOAD] = length - header
    if header > 20:
        timestamps(buf, at + 20, min(at + header, end), rows, r)
    if at + header > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return
    rows[r + fields.PAYLOAD_AT] = at + header


@inline
def timestamps(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> None:
    """Find the timestamps option (kind 8, length 10) among the options in `buf[at:end]`."""
    while at < end:
        kind = u8(buf, at)
        if kind == 0:
            return
        if kind == 1:
            at += 1
            continue
        if at + 1 >= end:
            return
        size = u8(buf, at + 1)
        if size < 2 or at + size > end:
            return
        if kind == 8 and size == 10:
            rows[r + fields.TSVAL] = be32(buf, at + 2)
            rows[r + fields.TSECR] = be32(buf, at + 6)
            return
        at += size
