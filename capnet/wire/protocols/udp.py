"""UDP (RFC 768).

|          Source Port          |       Destination Port        |
|            Length             |           Checksum            |
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields
from capnet.wire.octets import be16

HEADER = 8


@inline
def udp(buf: ByteArray, at: int, end: int, left: int, rows: Int64Array, r: int) -> int:
    """Fill the UDP fields of row `r`; the offset of the payload, or -1 if there is none to decode.

    `left`: bytes of IP payload on the wire, the length of a datagram that says 0 (RFC 2675, and offload).
    """
    if at + 4 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    rows[r + fields.LAYERS] |= fields.LAYER_UDP
    rows[r + fields.SPORT] = be16(buf, at)
    rows[r + fields.DPORT] = be16(buf, at + 2)
    if at + HEADER > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    length = be16(buf, at + 4)
    if length == 0:
        length = left
    if length < HEADER:
        rows[r + fields.REASON] = fields.REASON_MALFORMED
        return -1
    rows[r + fields.PAYLOAD] = length - HEADER
    rows[r + fields.PAYLOAD_AT] = at + HEADER
    return at + HEADER
