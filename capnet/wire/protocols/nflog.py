"""NFLOG, the link layer of packets that a rule of Linux's firewall logged: LINKTYPE_NFLOG

Rules do so by `-j NFLOG` or `log group N`; the numbers are those of the kernel's nfnetlink_log.h.
family(1) version(1) group(2), then attributes: length(2) type(2) value, padded to 4 octets. Length and type are in the
byte order of the capturing host, values are big-endian. Of the values, what the decoder reads:
packet header (1):  EtherType(2) hook(1) pad(1)
sender (8):         length(2) pad(2) address(8)
payload (9):        the packet, from its network header on; the last attribute
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import be16, be48, u8

HEADER = 4
ATTRIBUTE_HEADER = 4
MAX_ATTRIBUTES = 32  # the kernel has 21 kinds: bounds the loop
PACKET_HEADER, HARDWARE_ADDRESS, PAYLOAD = 1, 8, 9
FAMILY_IPV4, FAMILY_ARP, FAMILY_IPV6 = 2, 3, 10  # NFPROTO_ of the kernel


@inline
def nflog(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """NFLOG into row `r`; the offset of the payload, or -1."""
    if at + HEADER + ATTRIBUTE_HEADER > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    rows[r + fields.LAYERS] = fields.LAYER_NFLOG
    rows[r + fields.ETHERTYPE] = ethertype_of_family(u8(buf, at))
    at += HEADER
    # No first attribute has 256 octets or more: its length tells the byte order.
    is_big = u8(buf, at) == 0
    for _ in range(MAX_ATTRIBUTES):
        if at + ATTRIBUTE_HEADER > end:
            break
        length, kind = be16(buf, at), be16(buf, at + 2)
        if not is_big:
            length, kind = (length & 255) * 256 + (length >> 8), (kind & 255) * 256 + (kind >> 8)
        if length < ATTRIBUTE_HEADER:
            rows[r + fields.REASON] = fields.REASON_MALFORMED
            return -1
        value = at + ATTRIBUTE_HEADER
        if kind == PAYLOAD:
            return value
        if kind == PACKET_HEADER and value + 4 <= end and be16(buf, value) > 0:
            rows[r + fields.ETHERTYPE] = be16(buf, value)
        elif kind == HARDWARE_ADDRESS and value + 10 <= end and be16(buf, value) == 6:
            rows[r + fields.SMAC] = be48(buf, value + 4)
        at += (length + 3) // 4 * 4
    rows[r + fields.REASON] = fields.REASON_CUT
    return -1


@inline
def ethertype_of_family(family: int) -> int:
    """The EtherType of a netfilter family, 0 for bridges, which carry all kinds."""
    if family == FAMILY_IPV4:
        return numbers.ETHERTYPE_IPV4
    if family == FAMILY_IPV6:
        return numbers.ETHERTYPE_IPV6
    return numbers.ETHERTYPE_ARP if family == FAMILY_ARP else 0
