"""IPv6 and its extension headers (RFC 8200; AH: RFC 4302).

|Version| Traffic Class |           Flow Label                  |
|         Payload Length        |  Next Header  |   Hop Limit   |
|                     Source Address (16)                       |
|                  Destination Address (16)                     |
"""

from __future__ import annotations

from typing import Any

from capnet.jit.inline import inline
from capnet.wire.fields import (
    DST_HI,
    DST_LO,
    FRAG_OFFSET,
    IP_FLAGS,
    IP_ID,
    IP_LENGTH,
    LAYER_FRAGMENT,
    LAYER_IPV6,
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
from capnet.wire.numbers import (
    AH,
    IPV6_DESTINATION_OPTIONS,
    IPV6_FRAGMENT,
    IPV6_HIP,
    IPV6_HOP_BY_HOP,
    IPV6_MOBILITY,
    IPV6_NO_NEXT_HEADER,
    IPV6_ROUTING,
    IPV6_SHIM6,
)
from capnet.wire.octets import be16, be32, be64, u8
from capnet.wire.protocols.ipsec import ah

MAX_EXTENSIONS = 16


@inline
def ipv6(buf: Any, at: int, end: int, wire_left: int, rows: Any, r: int) -> int:
    """Fill the network layer of row `r`; the offset of the transport header, or -1 if there is none to decode.

    A payload length of 0 is a jumbogram or an offloaded packet: its length is what the wire had.
    """
    if at + 40 > end:
        rows[r + REASON] = REASON_CUT
        return -1
    if u8(buf, at) >> 4 != 6:
        rows[r + REASON] = REASON_MALFORMED
        return -1
    rows[r + LAYERS] |= LAYER_IPV6
    rows[r + TOS] = (be16(buf, at) >> 4) & 255
    payload = be16(buf, at + 4)
    kind = u8(buf, at + 6)
    if payload == 0 and kind != IPV6_NO_NEXT_HEADER and wire_left > 40:
        payload = wire_left - 40
    rows[r + IP_LENGTH] = 40 + payload
    rows[r + TTL] = u8(buf, at + 7)
    rows[r + SRC_HI] = be64(buf, at + 8)
    rows[r + SRC_LO] = be64(buf, at + 16)
    rows[r + DST_HI] = be64(buf, at + 24)
    rows[r + DST_LO] = be64(buf, at + 32)
    at += 40
    for _ in range(MAX_EXTENSIONS):
        if not is_extension(kind) and kind != IPV6_FRAGMENT and kind != AH:
            break
        if at + 8 > end:
            rows[r + PROTO] = kind
            rows[r + REASON] = REASON_CUT
            return -1
        following = u8(buf, at)
        if kind == IPV6_FRAGMENT:
            fragment = be16(buf, at + 2)
            rows[r + LAYERS] |= LAYER_FRAGMENT
            rows[r + FRAG_OFFSET] = fragment & 0xFFF8
            rows[r + IP_FLAGS] = fragment & 1
            rows[r + IP_ID] = be32(buf, at + 4)
            at += 8
            kind = following
            if fragment & 0xFFF8:
                break  # what follows is the middle of something
        else:
            if kind == AH:
                at = ah(buf, at, end, rows, r)
            else:
                at += (u8(buf, at + 1) + 1) * 8
            kind = following
    rows[r + PROTO] = kind
    if at > end:
        rows[r + REASON] = REASON_CUT
        return -1
    return at


@inline
def is_extension(kind: int) -> bool:
    """Whether `kind` is a header whose second octet is its length in 8 octets, the first 8 not counted."""
    if kind == IPV6_HOP_BY_HOP or kind == IPV6_ROUTING or kind == IPV6_DESTINATION_OPTIONS:
        return True
    return kind == IPV6_MOBILITY or kind == IPV6_HIP or kind == IPV6_SHIM6
