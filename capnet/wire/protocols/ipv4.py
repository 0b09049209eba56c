"""IPv4 (RFC 791).

 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
|Version|  IHL  |Type of Service|          Total Length         |
|         Identification        |Flags|      Fragment Offset    |
|  Time to Live |    Protocol   |         Header Checksum       |
|                       Source Address                          |
|                    Destination Address                        |
|                    Options                    |    Padding    |
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields
from capnet.wire.addresses import MAPPED
from capnet.wire.octets import be16, be32, u8


@inline
def ipv4(buf: ByteArray, at: int, end: int, wire_left: int, rows: Int64Array, r: int) -> int:
    """Fill the network layer of row `r`; the offset of the payload, or -1 if there is none to decode.

    `wire_left`: bytes from `at` to the end of the frame on the wire, the length of a packet whose total length is 0:
    the kernel writes 0 before segmentation offload cuts a packet of more than 65,535 bytes.
    """
    if at + 20 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    first = u8(buf, at)
    header = (first & 15) * 4
    length = be16(buf, at + 2)
    if length == 0:
        length = wire_left
    if first >> 4 != 4 or header < 20 or length < header:
        rows[r + fields.REASON] = fields.REASON_MALFORMED
        return -1
    fragment = be16(buf, at + 6)
    rows[r + fields.LAYERS] |= fields.LAYER_IPV4
    rows[r + fields.TOS] = u8(buf, at + 1)
    rows[r + fields.IP_LENGTH] = length
    rows[r + fields.IP_ID] = be16(buf, at + 4)
    rows[r + fields.IP_FLAGS] = fragment >> 13
    offset = (fragment & 0x1FFF) * 8
    rows[r + fields.FRAG_OFFSET] = offset
    if offset or fragment & 0x2000:
        rows[r + fields.LAYERS] |= fields.LAYER_FRAGMENT
    rows[r + fields.TTL] = u8(buf, at + 8)
    rows[r + fields.PROTO] = u8(buf, at + 9)
    rows[r + fields.SRC_HI] = 0
    rows[r + fields.SRC_LO] = MAPPED | be32(buf, at + 12)
    rows[r + fields.DST_HI] = 0
    rows[r + fields.DST_LO] = MAPPED | be32(buf, at + 16)
    if at + header > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    return at + header
