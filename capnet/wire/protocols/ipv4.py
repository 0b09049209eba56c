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

from typing import Any

from capnet.jit.inline import inline
from capnet.wire.addresses import MAPPED
from capnet.wire.fields import (
    DST_HI,
    DST_LO,
    FRAG_OFFSET,
    IP_FLAGS,
    IP_ID,
    IP_LENGTH,
    LAYER_FRAGMENT,
    LAYER_IPV4,
    LAYERS,
    PROTO,
    REASON,
    REASON_CUT,
    REASON_MALFORMED,
    SRC_HI,
    SRC_LO,
    TOS,
    TTL,
)
from capnet.wire.octets import be16, be32, u8


@inline
def ipv4(buf: Any, at: int, end: int, wire_left: int, rows: Any, r: int) -> int:
    """Fill the network layer of row `r`; the offset of the payload, or -1 if there is none to decode.

    `wire_left`: bytes from `at` to the end of the frame on the wire, the length of a packet whose total length is 0:
    the kernel writes 0 before segmentation offload cuts a packet of more than 65,535 bytes.
    """
    if at + 20 > end:
        rows[r + REASON] = REASON_CUT
        return -1
    first = u8(buf, at)
    header = (first & 15) * 4
    length = be16(buf, at + 2)
    if length == 0:
        length = wire_left
    if first >> 4 != 4 or header < 20 or length < header:
        rows[r + REASON] = REASON_MALFORMED
        return -1
    fragment = be16(buf, at + 6)
    rows[r + LAYERS] |= LAYER_IPV4
    rows[r + TOS] = u8(buf, at + 1)
    rows[r + IP_LENGTH] = length
    rows[r + IP_ID] = be16(buf, at + 4)
    rows[r + IP_FLAGS] = fragment >> 13
    offset = (fragment & 0x1FFF) * 8
    rows[r + FRAG_OFFSET] = offset
    if offset or fragment & 0x2000:
        rows[r + LAYERS] |= LAYER_FRAGMENT
    rows[r + TTL] = u8(buf, at + 8)
    rows[r + PROTO] = u8(buf, at + 9)
    rows[r + SRC_HI] = 0
    rows[r + SRC_LO] = MAPPED | be32(buf, at + 12)
    rows[r + DST_HI] = 0
    rows[r + DST_LO] = MAPPED | be32(buf, at + 16)
    if at + header > end:
        rows[r + REASON] = REASON_CUT
        return -1
    return at + header
