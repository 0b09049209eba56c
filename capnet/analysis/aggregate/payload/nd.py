"""Neighbor solicitations and advertisements (RFC 4861 sections 4.3 and 4.4), what ARP is in IPv4.

type(1) code(1) checksum(2) | flags(4) | target(16) | options: type(1) length in 8 octets(1) link-layer address(6)

Input: blocks of rows with their bytes. Output: `table`, one row per message that is the same but for its time (columns:
`core.schema`, ND_). Limits: MAX_MESSAGES rows. Messages that a router passed on (hop limit below 255) are invalid and
left out (RFC 4861 section 7.1).
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.payload.message_table import Keys, MessageTable
from capnet.analysis.aggregate.payload.octets import be48_at, be64_at
from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.schema import NdTable, Values
from capnet.wire import fields
from capnet.wire.block import Block
from capnet.wire.numbers import ICMPV6_NEIGHBOR_ADVERTISEMENT, ICMPV6_NEIGHBOR_SOLICITATION

MAX_MESSAGES = 1 << 14  # as many as rows of the ARP table; what is done for each is plain Python
HOP_LIMIT = 255  # no router has passed the message on
TARGET = 16  # octets behind the ICMPv6 header
OPTION = 8  # octets of an option with an Ethernet address
SOURCE_ADDRESS, TARGET_ADDRESS = 1, 2  # types of options


class NeighborDiscovery:
    """Fill with `add`, then read `table`."""

    def __init__(self) -> None:
        self._messages = MessageTable(schema.ND_KEY, MAX_MESSAGES)

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if not block.layers & fields.LAYER_ICMPV6:
            return
        rows = block.rows
        chosen = np.flatnonzero(rows[:, fields.ICMP_TYPE] >= ICMPV6_NEIGHBOR_SOLICITATION)
        is_nd = rows[chosen, fields.LAYERS] & fields.LAYER_ICMPV6 != 0
        is_nd &= is_one_of(
            rows[chosen, fields.ICMP_TYPE], (ICMPV6_NEIGHBOR_SOLICITATION, ICMPV6_NEIGHBOR_ADVERTISEMENT)
        )
        is_nd &= (rows[chosen, fields.TTL] == HOP_LIMIT) & (rows[chosen, fields.PAYLOAD_AT] >= 0)
        chosen = chosen[is_nd]
        at = block.record_at[chosen] + rows[chosen, fields.PAYLOAD_AT]
        end = block.record_at[chosen] + rows[chosen, fields.START] + rows[chosen, fields.CAPLEN]
        is_whole = at + TARGET <= end
        chosen, at, end = chosen[is_whole], at[is_whole], end[is_whole]
        if len(chosen):
            keys = _keys(block, chosen, at, end, base)
            self._messages.add(keys, rows[chosen, fields.FRAME], rows[chosen, fields.TIME])

    @property
    def table(self) -> NdTable:
        """int64 array of shape (n, ND_WIDTH), in order of first sight."""
        return self._messages.rows


def _keys(block: Block, chosen: Values, at: Values, end: Values, base: int) -> Keys:
    rows, raw = block.rows[chosen], np.frombuffer(block.raw, dtype=np.uint8)
    keys = np.full((len(chosen), schema.ND_KEY), fields.ABSENT, dtype=np.int64)
    keys[:, schema.ND_POINT] = rows[:, fields.POINT] + base
    for column, field in (
        (schema.ND_VIA, fields.VIA), (schema.ND_VIA_VNI, fields.VIA_VNI), (schema.ND_TYPE, fields.ICMP_TYPE),
        (schema.ND_ETH_SOURCE, fields.SMAC), (schema.ND_ETH_DESTINATION, fields.DMAC),
        (schema.ND_SRC_HI, fields.SRC_HI), (schema.ND_SRC_LO, fields.SRC_LO),
        (schema.ND_DST_HI, fields.DST_HI), (schema.ND_DST_LO, fields.DST_LO),
    ):  # fmt: skip
        keys[:, column] = rows[:, field]
    keys[:, schema.ND_TARGET_HI] = be64_at(raw, at)
    keys[:, schema.ND_TARGET_LO] = be64_at(raw, at + 8)
    has_option = np.flatnonzero(at + TARGET + OPTION <= end)
    option = at[has_option] + TARGET
    is_address = is_one_of(raw[option].astype(np.int64), (SOURCE_ADDRESS, TARGET_ADDRESS)) & (raw[option + 1] == 1)
    keys[has_option[is_address], schema.ND_MAC] = be48_at(raw, option[is_address] + 2)
    return keys
