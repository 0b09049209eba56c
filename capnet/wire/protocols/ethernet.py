"""Ethernet II and 802.3, with 802.1Q and 802.1ad tags (IEEE 802.3 clause 3, 802.1Q clause 9).

   +-----------+-----------+------------------+-----------+---------
   | DMAC (6)  | SMAC (6)  | [TPID(2) TCI(2)]*| type (2)  | payload
   +-----------+-----------+------------------+-----------+---------

A type below 0x600 is a length: 802.3 with LLC (spanning tree and the like).
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import be16, be48

MAX_TAGS = 8  # of VLANs in one frame: bounds the loop; 802.1ad has two


@inline
def ethernet(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """Fill the link layer of row `r`; the offset of the payload, or -1 if there is none to decode."""
    if at + 14 > end:
        if at + 6 <= end:
            rows[r + fields.DMAC] = be48(buf, at)
        if at + 12 <= end:
            rows[r + fields.SMAC] = be48(buf, at + 6)
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    rows[r + fields.DMAC] = be48(buf, at)
    rows[r + fields.SMAC] = be48(buf, at + 6)
    rows[r + fields.LAYERS] = fields.LAYER_ETHERNET
    return ethertype(buf, at + 12, end, rows, r)


@inline
def ethertype(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """Read the type at `at` through any tags; the offset of the payload, or -1."""
    return skip_tags(buf, at + 2, end, be16(buf, at), rows, r)


@inline
def skip_tags(buf: ByteArray, at: int, end: int, kind: int, rows: Int64Array, r: int) -> int:
    """Read the VLAN tags at `at`, announced by the type `kind`; the offset of the payload, or -1."""
    tags = 0
    while is_vlan_tag(kind) and tags < MAX_TAGS:
        if at + 4 > end:
            rows[r + fields.ETHERTYPE] = kind
            rows[r + fields.REASON] = fields.REASON_CUT
            return -1
        vlan = be16(buf, at) & 0xFFF
        if tags == 0:
            rows[r + fields.VLAN] = vlan
        elif tags == 1:
            rows[r + fields.VLAN2] = vlan
        rows[r + fields.LAYERS] |= fields.LAYER_VLAN
        kind = be16(buf, at + 2)
        at += 4
        tags += 1
    rows[r + fields.ETHERTYPE] = kind
    if kind < numbers.MIN_ETHERTYPE:
        rows[r + fields.REASON] = fields.REASON_LLC
        return -1
    return at


@inline
def is_vlan_tag(kind: int) -> bool:
    """Whether this type is the TPID of a VLAN tag."""
    return kind == numbers.ETHERTYPE_VLAN or kind == numbers.ETHERTYPE_QINQ or kind == numbers.ETHERTYPE_QINQ_OLD
