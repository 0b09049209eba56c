"""ICMP errors with the packet that each of them quotes (RFC 792, RFC 1191, RFC 4443 section 3).

Input: blocks of rows with their bytes. Output: `table`, one row per error message that is the same but for its time:
who said what about which packet, how often, in which frame first (columns: `core.schema`, ICMP_). Limits: MAX_ERRORS
rows. An extension header of a quoted IPv6 packet hides its ports.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.payload.message_table import MessageTable
from capnet.analysis.aggregate.payload.octets import be16_at, be32_at, be64_at
from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.schema import IcmpErrorTable, Mask, Values
from capnet.wire import fields
from capnet.wire.addresses import MAPPED
from capnet.wire.block import Block
from capnet.wire.numbers import (
    ICMP_ERRORS,
    ICMP_FRAGMENTATION_NEEDED,
    ICMP_UNREACHABLE,
    ICMPV6_ERRORS,
    ICMPV6_PACKET_TOO_BIG,
    SCTP,
    TCP,
    UDP,
)

MAX_ERRORS = 4096


class IcmpErrors:
    """Fill with `add`, then read `table`."""

    def __init__(self) -> None:
        self._messages = MessageTable(schema.ICMP_KEY, MAX_ERRORS)

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if not block.icmp_errors:
            return
        rows = block.rows
        chosen = np.flatnonzero(rows[:, fields.ICMP_TYPE] >= 0)  # few rows, and all else is asked of them
        layers, kind = rows[chosen, fields.LAYERS], rows[chosen, fields.ICMP_TYPE]
        is_error = (layers & fields.LAYER_ICMP != 0) & is_one_of(kind, ICMP_ERRORS)
        is_error |= (layers & fields.LAYER_ICMPV6 != 0) & is_one_of(kind, ICMPV6_ERRORS)
        chosen = chosen[is_error & (rows[chosen, fields.PAYLOAD_AT] >= 0)]
        if len(chosen):
            self._messages.add(self._keys(block, chosen, base), rows[chosen, fields.FRAME], rows[chosen, fields.TIME])

    @property
    def table(self) -> IcmpErrorTable:
        """int64 array of shape (n, ICMP_WIDTH), in order of first sight."""
        return self._messages.rows

    def _keys(self, block: Block, chosen: Values, base: int) -> np.ndarray:
        rows = block.rows[chosen]
        raw = np.frombuffer(block.raw, dtype=np.uint8)
        at = block.record_at[chosen] + rows[:, fields.PAYLOAD_AT]
        end = block.record_at[chosen] + rows[:, fields.START] + rows[:, fields.CAPLEN]
        is_v6 = rows[:, fields.LAYERS] & fields.LAYER_ICMPV6 != 0
        key = np.full((len(chosen), schema.ICMP_KEY), -1, dtype=np.int64)
        key[:, schema.ICMP_POINT] = rows[:, fields.POINT] + base
        for column, field in (
            (schema.ICMP_VIA, fields.VIA), (schema.ICMP_VIA_VNI, fields.VIA_VNI),
            (schema.ICMP_SRC_HI, fields.SRC_HI), (schema.ICMP_SRC_LO, fields.SRC_LO),
            (schema.ICMP_DST_HI, fields.DST_HI), (schema.ICMP_DST_LO, fields.DST_LO),
            (schema.ICMP_SMAC, fields.SMAC), (schema.ICMP_TYPE, fields.ICMP_TYPE), (schema.ICMP_CODE, fields.ICMP_CODE),
        ):  # fmt: skip
            key[:, column] = rows[:, field]
        key[:, schema.ICMP_IS_V6] = is_v6
        too_big = np.where(is_v6, rows[:, fields.ICMP_TYPE] == ICMPV6_PACKET_TOO_BIG,
                           (rows[:, fields.ICMP_TYPE] == ICMP_UNREACHABLE)
                           & (rows[:, fields.ICMP_CODE] == ICMP_FRAGMENTATION_NEEDED))  # fmt: skip
        key[:, schema.ICMP_MTU] = np.where(too_big, be16_at(raw, at - 2), -1)
        _quote_v4(raw, at, end, ~is_v6, key)
        _quote_v6(raw, at, end, is_v6, key)
        return key


def _quote_v4(raw: np.ndarray, at: Values, end: Values, chosen: Mask, key: np.ndarray) -> None:
    whole = np.flatnonzero(chosen & (at + 20 <= end))
    at, end = at[whole], end[whole]
    key[whole, schema.ICMP_QUOTED_PROTO] = raw[at + 9]
    for source, high, low in ((12, schema.ICMP_QUOTED_SRC_HI, schema.ICMP_QUOTED_SRC_LO),
                              (16, schema.ICMP_QUOTED_DST_HI, schema.ICMP_QUOTED_DST_LO)):  # fmt: skip
        key[whole, high] = 0
        key[whole, low] = MAPPED | be32_at(raw, at + source)
    _quote_ports(raw, at + (raw[at] & 15).astype(np.int64) * 4, end, whole, key)


def _quote_v6(raw: np.ndarray, at: Values, end: Values, chosen: Mask, key: np.ndarray) -> None:
    whole = np.flatnonzero(chosen & (at + 40 <= end))
    at, end = at[whole], end[whole]
    key[whole, schema.ICMP_QUOTED_PROTO] = raw[at + 6]
    for source, high, low in ((8, schema.ICMP_QUOTED_SRC_HI, schema.ICMP_QUOTED_SRC_LO),
                              (24, schema.ICMP_QUOTED_DST_HI, schema.ICMP_QUOTED_DST_LO)):  # fmt: skip
        key[whole, high] = be64_at(raw, at + source)
        key[whole, low] = be64_at(raw, at + source + 8)
    _quote_ports(raw, at + 40, end, whole, key)


def _quote_ports(raw: np.ndarray, at: Values, end: Values, whole: Values, key: np.ndarray) -> None:
    proto = key[whole, schema.ICMP_QUOTED_PROTO]
    ported = is_one_of(proto, (TCP, UDP, SCTP)) & (at + 4 <= end)
    at, whole = at[ported], whole[ported]
    key[whole, schema.ICMP_QUOTED_SPORT] = be16_at(raw, at)
    key[whole, schema.ICMP_QUOTED_DPORT] = be16_at(raw, at + 2)
