"""Link layers without Ethernet: Linux cooked capture v1 and v2 (`-i any`), raw IP, BSD null and loop.

SLL (LINKTYPE_LINUX_SLL):   type(2) arphrd(2) length(2) address(8) protocol(2)
SLL2 (LINKTYPE_LINUX_SLL2): protocol(2) reserved(2) ifindex(4) arphrd(2) type(1) length(1) address(8)
null / loop:                address family(4), in the byte order of the capturing host / big endian
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import be16, be32, be48, le32, u8
from capnet.wire.protocols.ethernet import ethertype


@inline
def sll(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """Linux cooked v1 into row `r`; the offset of the payload, or -1."""
    if at + 16 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    rows[r + fields.LAYERS] = fields.LAYER_SLL
    rows[r + fields.PKTTYPE] = be16(buf, at)
    if be16(buf, at + 4) == 6:
        rows[r + fields.SMAC] = be48(buf, at + 6)
    return ethertype(buf, at + 14, end, rows, r)


@inline
def sll2(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """Linux cooked v2 into row `r`; the offset of the payload, or -1."""
    if at + 20 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    rows[r + fields.LAYERS] = fields.LAYER_SLL2
    rows[r + fields.PKTTYPE] = u8(buf, at + 10)
    if u8(buf, at + 11) == 6:
        rows[r + fields.SMAC] = be48(buf, at + 12)
    kind = be16(buf, at)
    rows[r + fields.ETHERTYPE] = kind
    at += 20
    if kind == numbers.ETHERTYPE_VLAN or kind == numbers.ETHERTYPE_QINQ:
        # libpcap puts the rest of the tag, and the type it carries, behind this header.
        if at + 4 > end:
            rows[r + fields.REASON] = fields.REASON_CUT
            return -1
        rows[r + fields.LAYERS] |= fields.LAYER_VLAN
        rows[r + fields.VLAN] = be16(buf, at) & 0xFFF
        rows[r + fields.ETHERTYPE] = be16(buf, at + 2)
        at += 4
    return at


@inline
def is_raw_ip(linktype: int) -> bool:
    """Whether frames of this link type begin with an IP header."""
    if linktype == numbers.LINKTYPE_RAW or linktype == numbers.LINKTYPE_IPV4 or linktype == numbers.LINKTYPE_IPV6:
        return True
    return linktype == numbers.LINKTYPE_RAW_BSD or linktype == numbers.LINKTYPE_RAW_OPENBSD


@inline
def raw_ip(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """LINKTYPE_RAW, _IPV4, _IPV6: the version nibble says which."""
    if at >= end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    rows[r + fields.LAYERS] = fields.LAYER_RAW
    version = u8(buf, at) >> 4
    if version == 4:
        rows[r + fields.ETHERTYPE] = numbers.ETHERTYPE_IPV4
    elif version == 6:
        rows[r + fields.ETHERTYPE] = numbers.ETHERTYPE_IPV6
    else:
        rows[r + fields.REASON] = fields.REASON_ETHERTYPE
        return -1
    return at


@inline
def null(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """BSD null/loop: 2 is IPv4 everywhere; IPv6 is 10, 23, 24, 28 or 30 by system."""
    if at + 4 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    rows[r + fields.LAYERS] = fields.LAYER_NULL
    family = le32(buf, at)
    if family > 0xFFFF:
        family = be32(buf, at)
    if family == 2:
        rows[r + fields.ETHERTYPE] = numbers.ETHERTYPE_IPV4
    elif family == 10 or family == 23 or family == 24 or family == 28 or family == 30:
        rows[r + fields.ETHERTYPE] = numbers.ETHERTYPE_IPV6
    else:
        rows[r + fields.REASON] = fields.REASON_ETHERTYPE
        return -1
    return at + 4
