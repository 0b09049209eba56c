"""Link layers without Ethernet: Linux cooked capture v1 and v2 (`-i any`), raw IP, BSD null and loop.

SLL (LINKTYPE_LINUX_SLL):   type(2) arphrd(2) length(2) address(8) protocol(2)
SLL2 (LINKTYPE_LINUX_SLL2): protocol(2) reserved(2) ifindex(4) arphrd(2) type(1) length(1) address(8)
null / loop:                address family(4), in the byte order of the capturing host / big endian
"""

from __future__ import annotations

from typing import Any

from capnet.jit.inline import inline
from capnet.wire.fields import (
    ETHERTYPE,
    LAYER_NULL,
    LAYER_RAW,
    LAYER_SLL,
    LAYER_SLL2,
    LAYER_VLAN,
    LAYERS,
    PKTTYPE,
    REASON,
    REASON_CUT,
    REASON_ETHERTYPE,
    SMAC,
    VLAN,
)
from capnet.wire.numbers import (
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_QINQ,
    ETHERTYPE_VLAN,
    LINKTYPE_IPV4,
    LINKTYPE_IPV6,
    LINKTYPE_RAW,
    LINKTYPE_RAW_BSD,
    LINKTYPE_RAW_OPENBSD,
)
from capnet.wire.octets import be16, be32, be48, le32, u8
from capnet.wire.protocols.ethernet import ethertype


@inline
def sll(buf: Any, at: int, end: int, rows: Any, r: int) -> int:
    """Linux cooked v1 into row `r`; the offset of the payload, or -1."""
    if at + 16 > end:
        rows[r + REASON] = REASON_CUT
        return -1
    rows[r + LAYERS] = LAYER_SLL
    rows[r + PKTTYPE] = be16(buf, at)
    if be16(buf, at + 4) == 6:
        rows[r + SMAC] = be48(buf, at + 6)
    return ethertype(buf, at + 14, end, rows, r)


@inline
def sll2(buf: Any, at: int, end: int, rows: Any, r: int) -> int:
    """Linux cooked v2 into row `r`; the offset of the payload, or -1."""
    if at + 20 > end:
        rows[r + REASON] = REASON_CUT
        return -1
    rows[r + LAYERS] = LAYER_SLL2
    rows[r + PKTTYPE] = u8(buf, at + 10)
    if u8(buf, at + 11) == 6:
        rows[r + SMAC] = be48(buf, at + 12)
    kind = be16(buf, at)
    rows[r + ETHERTYPE] = kind
    at += 20
    if kind == ETHERTYPE_VLAN or kind == ETHERTYPE_QINQ:
        # libpcap puts the rest of the tag, and the type it carries, behind this header.
        if at + 4 > end:
            rows[r + REASON] = REASON_CUT
            return -1
        rows[r + LAYERS] |= LAYER_VLAN
        rows[r + VLAN] = be16(buf, at) & 0xFFF
        rows[r + ETHERTYPE] = be16(buf, at + 2)
        at += 4
    return at


@inline
def is_raw_ip(linktype: int) -> bool:
    """Whether frames of this link type begin with an IP header."""
    if linktype == LINKTYPE_RAW or linktype == LINKTYPE_RAW_BSD or linktype == LINKTYPE_RAW_OPENBSD:
        return True
    return linktype == LINKTYPE_IPV4 or linktype == LINKTYPE_IPV6


@inline
def raw_ip(buf: Any, at: int, end: int, rows: Any, r: int) -> int:
    """LINKTYPE_RAW, _IPV4, _IPV6: the version nibble says which."""
    if at >= end:
        rows[r + REASON] = REASON_CUT
        return -1
    rows[r + LAYERS] = LAYER_RAW
    version = u8(buf, at) >> 4
    if version == 4:
        rows[r + ETHERTYPE] = ETHERTYPE_IPV4
    elif version == 6:
        rows[r + ETHERTYPE] = ETHERTYPE_IPV6
    else:
        rows[r + REASON] = REASON_ETHERTYPE
        return -1
    return at


@inline
def null(buf: Any, at: int, end: int, rows: Any, r: int) -> int:
    """BSD null/loop: 2 is IPv4 everywhere; IPv6 is 10, 23, 24, 28 or 30 by system."""
    if at + 4 > end:
        rows[r + REASON] = REASON_CUT
        return -1
    rows[r + LAYERS] = LAYER_NULL
    family = le32(buf, at)
    if family > 0xFFFF:
        family = be32(buf, at)
    if family == 2:
        rows[r + ETHERTYPE] = ETHERTYPE_IPV4
    elif family == 10 or family == 23 or family == 24 or family == 28 or family == 30:
        rows[r + ETHERTYPE] = ETHERTYPE_IPV6
    else:
        rows[r + REASON] = REASON_ETHERTYPE
        return -1
    return at + 4
