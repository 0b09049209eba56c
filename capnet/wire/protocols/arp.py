"""ARP (RFC 826) and RARP (RFC 903), which has its format, for IPv4 over 6-byte link addresses.

hardware type(2) protocol type(2) lengths(1,1) operation(2)
sender MAC(6) sender IP(4) target MAC(6) target IP(4)
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields
from capnet.wire.addresses import MAPPED
from capnet.wire.octets import be16, be32, be48, u8


@inline
def arp(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> None:
    """Fill the ARP fields of row `r`; its IP addresses are the sender's and the target's."""
    if at + 8 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return
    rows[r + fields.ARP_OP] = be16(buf, at + 6)
    if u8(buf, at + 4) != 6 or u8(buf, at + 5) != 4:
        rows[r + fields.REASON] = fields.REASON_MALFORMED
        return
    if at + 28 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return
    rows[r + fields.LAYERS] |= fields.LAYER_ARP
    rows[r + fields.ARP_SHA] = be48(buf, at + 8)
    rows[r + fields.SRC_HI] = 0
    rows[r + fields.SRC_LO] = MAPPED | be32(buf, at + 14)
    rows[r + fields.ARP_THA] = be48(buf, at + 18)
    rows[r + fields.DST_HI] = 0
    rows[r + fields.DST_LO] = MAPPED | be32(buf, at + 24)
