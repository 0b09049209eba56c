"""SCTP (RFC 9260): the common header; chunks are payload

|     Source Port Number        |     Destination Port Number   |
|                      Verification Tag                         |
|                           Checksum                            |
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields
from capnet.wire.octets import be16

HEADER = 12


@inline
def sctp(buf: ByteArray, at: int, end: int, left: int, rows: Int64Array, r: int) -> None:
    """Fill the ports and the payload of row `r`. `left`: bytes of IP payload on the wire."""
    if at + 4 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return
    rows[r + fields.LAYERS] |= fields.LAYER_SCTP
    rows[r + fields.SPORT] = be16(buf, at)
    rows[r + fields.DPORT] = be16(buf, at + 2)
    if at + HEADER > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return
    rows[r + fields.PAYLOAD] = left - HEADER
    rows[r + fields.PAYLOAD_AT] = at + HEADER
