"""ICMP (RFC 792) and ICMPv6 (RFC 4443).

type(1) code(1) checksum(2) | identifier(2) sequence(2) in queries | payload
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import be16, u8

HEADER = 8


@inline
def icmp(buf: ByteArray, at: int, end: int, length: int, layer: int, rows: Int64Array, r: int) -> None:
    """Fill the ICMP fields of row `r`; `layer` is LAYER_ICMP or LAYER_ICMPV6, `length` the message's on the wire."""
    if at + 2 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return
    kind = u8(buf, at)
    rows[r + fields.LAYERS] |= layer
    rows[r + fields.ICMP_TYPE] = kind
    rows[r + fields.ICMP_CODE] = u8(buf, at + 1)
    if at + HEADER > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return
    if is_query(kind, layer):
        rows[r + fields.ICMP_ID] = be16(buf, at + 4)
        rows[r + fields.ICMP_SEQ] = be16(buf, at + 6)
    rows[r + fields.PAYLOAD] = max(length - HEADER, 0)
    rows[r + fields.PAYLOAD_AT] = at + HEADER


@inline
def is_query(kind: int, layer: int) -> bool:
    """Whether the message has an identifier: echo, timestamp, information, mask; echo alone in ICMPv6."""
    if layer == fields.LAYER_ICMP:
        if kind == numbers.ICMP_ECHO_REQUEST or kind == numbers.ICMP_ECHO_REPLY:
            return True
        return numbers.ICMP_TIMESTAMP_REQUEST <= kind <= numbers.ICMP_MASK_REPLY
    return kind == numbers.ICMPV6_ECHO_REQUEST or kind == numbers.ICMPV6_ECHO_REPLY


@inline
def is_error(kind: int, layer: int) -> bool:
    """Whether the message embeds the packet that caused it (RFC 792, RFC 4443 section 2.1)."""
    if layer == fields.LAYER_ICMP:
        if kind == numbers.ICMP_TIME_EXCEEDED or kind == numbers.ICMP_PARAMETER_PROBLEM:
            return True
        return numbers.ICMP_UNREACHABLE <= kind <= numbers.ICMP_REDIRECT
    return numbers.ICMPV6_UNREACHABLE <= kind <= numbers.ICMPV6_PARAMETER_PROBLEM
