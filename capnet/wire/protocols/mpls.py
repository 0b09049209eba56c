"""MPLS label stacks (RFC 3032), in front of IP.

|                Label                  | TC  |S|       TTL     |     S = 1: the last one

What is behind the last label only the routers know that agreed on the label. IP is recognised by its version: RFC 4928
keeps 4 and 6 from pseudowires. Everything else, Ethernet pseudowires too, is not decoded further.
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import u8

MAX_LABELS = 16  # in one stack: bounds the loop on damaged packets


@inline
def mpls(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """The offset of the IP header behind the label stack at `at`, or -1."""
    rows[r + fields.LAYERS] |= fields.LAYER_MPLS
    for _ in range(MAX_LABELS):
        if at + 5 > end:
            rows[r + fields.REASON] = fields.REASON_CUT
            return -1
        last = u8(buf, at + 2) & 1
        at += 4
        if last:
            version = u8(buf, at) >> 4
            if version == 4 or version == 6:
                return at
            rows[r + fields.REASON] = fields.REASON_ETHERTYPE
            rows[r + fields.DETAIL] = numbers.ETHERTYPE_MPLS
            return -1
    rows[r + fields.REASON] = fields.REASON_LABELS
    rows[r + fields.DETAIL] = MAX_LABELS
    return -1
