"""PPP (RFC 1661) as a link layer, in Ethernet (PPPoE, RFC 2516) and in GRE (RFC 2637), with IP or MPLS inside.

PPPoE, session stage:   VER TYPE(1) CODE(1) SESSION_ID(2) LENGTH(2) | PPP
PPP (RFC 1661, 1662):   [address ff control 03] protocol(2, or 1 if its low bit is set) | payload
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import be16, u8
from capnet.wire.protocols.mpls import mpls

HEADER = 6
# PPP protocol numbers (IANA: Point-to-Point Protocol Field Assignments)
PPP_IPV4 = 0x0021
PPP_IPV6 = 0x0057
PPP_MPLS = 0x0281


@inline
def pppoe(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """The offset of the IP header behind the session header at `at`, or -1."""
    if at + HEADER > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    rows[r + fields.LAYERS] |= fields.LAYER_PPPOE
    return ppp(buf, at + HEADER, end, numbers.ETHERTYPE_PPPOE, rows, r)


@inline
def ppp_link(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """LINKTYPE_PPP: PPP and nothing in front of it, into row `r`; the offset of the IP header, or -1."""
    at = ppp(buf, at, end, numbers.ETHERTYPE_PPP, rows, r)
    if at >= 0:
        rows[r + fields.LAYERS] |= fields.LAYER_RAW
        rows[r + fields.ETHERTYPE] = numbers.ETHERTYPE_IPV4 if u8(buf, at) >> 4 == 4 else numbers.ETHERTYPE_IPV6
    return at


@inline
def ppp(buf: ByteArray, at: int, end: int, carrier: int, rows: Int64Array, r: int) -> int:
    """The offset of the IP header in the PPP frame at `at`, or -1; `carrier`: the ethertype that led here."""
    if at + 2 <= end and be16(buf, at) == 0xFF03:
        at += 2
    if at + 2 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    kind = u8(buf, at)
    at += 1
    if kind & 1 == 0:
        kind = kind * 256 + u8(buf, at)
        at += 1
    if kind == PPP_MPLS:
        return mpls(buf, at, end, rows, r)
    if kind == PPP_IPV4 or kind == PPP_IPV6:
        if at >= end:
            rows[r + fields.REASON] = fields.REASON_CUT
            return -1
        if u8(buf, at) >> 4 == (4 if kind == PPP_IPV4 else 6):
            return at
    rows[r + fields.REASON] = fields.REASON_ETHERTYPE
    rows[r + fields.DETAIL] = carrier
    return -1
