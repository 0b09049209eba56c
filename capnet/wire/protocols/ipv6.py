"""IPv6 and its extension headers (RFC 8200; AH: RFC 4302).

|Version| Traffic Class |           Flow Label                  |
|         Payload Length        |  Next Header  |   Hop Limit   |
|                     Source Address (16)                       |
|                  Destination Address (16)                     |
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import be16, be32, be64, u8
from capnet.wire.protocols.ipsec import ah

MAX_EXTENSIONS = 16  # RFC 8200 section 4.1 recommends seven at most


@inline
def ipv6(buf: ByteArray, at: int, end: int, wire_left: int, rows: Int64Array, r: int) -> int:
    """Fill the network layer of row `r`; the offset of the transport header, or -1 if there is none to decode.

    A payload length of 0 is a jumbogram or an offloaded packet: its length is what the wire had.
    """
    if at + 40 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    if u8(buf, at) >> 4 != 6:
        rows[r + fields.REASON] = fields.REASON_MALFORMED
        return -1
    rows[r + fields.LAYERS] |= fields.LAYER_IPV6
    rows[r + fields.TOS] = (be16(buf, at) >> 4) & 255
    payload = be16(buf, at + 4)
    kind = u8(buf, at + 6)
    if payload == 0 and kind != numbers.IPV6_NO_NEXT_HEADER and wire_left > 40:
        payload = wire_left - 40
    rows[r + fields.IP_LENGTH] = 40 + payload
    rows[r + fields.TTL] = u8(buf, at + 7)
    rows[r + fields.SRC_HI] = be64(buf, at + 8)
    rows[r + fields.SRC_LO] = be64(buf, at + 16)
    rows[r + fields.DST_HI] = be64(buf, at + 24)
    rows[r + fields.DST_LO] = be64(buf, at + 32)
    at += 40
    for _ in range(MAX_EXTENSIONS):
        if not is_extension(kind) and kind != numbers.IPV6_FRAGMENT and kind != numbers.AH:
            break
        if at + 8 > end:
            rows[r + fields.PROTO] = kind
            rows[r + fields.REASON] = fields.REASON_CUT
            return -1
        following = u8(buf, at)
        if kind == numbers.IPV6_FRAGMENT:
            fragment = be16(buf, at + 2)
            rows[r + fields.LAYERS] |= fields.LAYER_FRAGMENT
            rows[r + fields.FRAG_OFFSET] = fragment & 0xFFF8
            rows[r + fields.IP_FLAGS] = fragment & 1
            rows[r + fields.IP_ID] = be32(buf, at + 4)
            at += 8
            kind = following
            if fragment & 0xFFF8:
                break  # what follows is the middle of something
        else:
            if kind == numbers.AH:
                at = ah(buf, at, end, rows, r)
            else:
                at += (u8(buf, at + 1) + 1) * 8
            kind = following
    rows[r + fields.PROTO] = kind
    if at > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    return at


@inline
def is_extension(kind: int) -> bool:
    """Whether `kind` is a header whose second octet is its length in 8 octets, the first 8 not counted."""
    if kind == numbers.IPV6_HOP_BY_HOP or kind == numbers.IPV6_ROUTING or kind == numbers.IPV6_DESTINATION_OPTIONS:
        return True
    return kind == numbers.IPV6_MOBILITY or kind == numbers.IPV6_HIP or kind == numbers.IPV6_SHIM6
