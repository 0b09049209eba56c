"""ICMP (RFC 792) and ICMPv6 (RFC 4443).

type(1) code(1) checksum(2) | identifier(2) sequence(2) in queries | payload
"""

from __future__ import annotations

from typing import Any

from capnet.jit.inline import inline
from capnet.wire.fields import (
    ICMP_CODE,
    ICMP_ID,
    ICMP_SEQ,
    ICMP_TYPE,
    LAYER_ICMP,
    LAYERS,
    PAYLOAD,
    PAYLOAD_AT,
    REASON,
    REASON_CUT,
)
from capnet.wire.numbers import (
    ICMP_ECHO_REPLY,
    ICMP_ECHO_REQUEST,
    ICMP_MASK_REPLY,
    ICMP_PARAMETER_PROBLEM,
    ICMP_REDIRECT,
    ICMP_TIME_EXCEEDED,
    ICMP_TIMESTAMP_REQUEST,
    ICMP_UNREACHABLE,
    ICMPV6_ECHO_REPLY,
    ICMPV6_ECHO_REQUEST,
    ICMPV6_PARAMETER_PROBLEM,
    ICMPV6_UNREACHABLE,
)
from capnet.wire.octets import be16, u8

HEADER = 8


@inline
def icmp(buf: Any, at: int, end: int, length: int, layer: int, rows: Any, r: int) -> None:
    """Fill the ICMP fields of row `r`; `layer` is LAYER_ICMP or LAYER_ICMPV6, `length` the message's on the wire."""
    if at + 2 > end:
        rows[r + REASON] = REASON_CUT
        return
    kind = u8(buf, at)
    rows[r + LAYERS] |= layer
    rows[r + ICMP_TYPE] = kind
    rows[r + ICMP_CODE] = u8(buf, at + 1)
    if at + HEADER > end:
        rows[r + REASON] = REASON_CUT
        return
    if is_query(kind, layer):
        rows[r + ICMP_ID] = be16(buf, at + 4)
        rows[r + ICMP_SEQ] = be16(buf, at + 6)
    rows[r + PAYLOAD] = max(length - HEADER, 0)
    rows[r + PAYLOAD_AT] = at + HEADER


@inline
def is_query(kind: int, layer: int) -> bool:
    """Whether the message has an identifier: echo, timestamp, information, mask; echo alone in ICMPv6."""
    if layer == LAYER_ICMP:
        if kind == ICMP_ECHO_REQUEST or kind == ICMP_ECHO_REPLY:
            return True
        return ICMP_TIMESTAMP_REQUEST <= kind <= ICMP_MASK_REPLY
    return kind == ICMPV6_ECHO_REQUEST or kind == ICMPV6_ECHO_REPLY


@inline
def is_error(kind: int, layer: int) -> bool:
    """Whether the message embeds the packet that caused it (RFC 792, RFC 4443 section 2.1)."""
    if layer == LAYER_ICMP:
        if kind == ICMP_TIME_EXCEEDED or kind == ICMP_PARAMETER_PROBLEM:
            return True
        return ICMP_UNREACHABLE <= kind <= ICMP_REDIRECT
    return ICMPV6_UNREACHABLE <= kind <= ICMPV6_PARAMETER_PROBLEM
