"""DHCP messages (RFC 2131 section 2, RFC 2132 section 9.6): who asks for an address, and what is answered.

op(1) hardware type(1) its length(1) hops(1) xid(4) … client's hardware address(16, at 28) … cookie(4, at 236) options

Input: blocks of rows with their bytes. Output: `table`, one row per point, client and type of message (columns:
`core.schema`, DHCP_). Limits: MAX_MESSAGES rows; the type must be among the first MAX_OPTIONS options; IPv4 only, as
hosts ask for DHCPv6 on every link, whether it is there or not.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.payload.message_table import MessageTable
from capnet.analysis.aggregate.payload.octets import be32_at, be48_at
from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.schema import DhcpTable, Values
from capnet.wire import fields
from capnet.wire.block import Block
from capnet.wire.numbers import PORT_DHCP_CLIENT, PORT_DHCP_SERVER

MAX_MESSAGES = 4096  # more clients than one link has
MAX_OPTIONS = 8  # clients and servers write the type first
CLIENT, COOKIE, OPTIONS = 28, 236, 240  # octets from the beginning of a message
MAGIC = 0x63825363
MESSAGE_TYPE = 53  # option


class DhcpMessages:
    """Fill with `add`, then read `table`."""

    def __init__(self) -> None:
        self._messages = MessageTable(schema.DHCP_KEY, MAX_MESSAGES)

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if not block.dhcp:
            return
        rows, raw = block.rows, np.frombuffer(block.raw, dtype=np.uint8)
        chosen = np.flatnonzero(is_one_of(rows[:, fields.DPORT], (PORT_DHCP_SERVER, PORT_DHCP_CLIENT)))
        is_udp = (rows[chosen, fields.LAYERS] & fields.LAYER_UDP != 0) & (rows[chosen, fields.PAYLOAD_AT] >= 0)
        chosen = chosen[is_udp]
        at = block.record_at[chosen] + rows[chosen, fields.PAYLOAD_AT]
        end = block.record_at[chosen] + rows[chosen, fields.START] + rows[chosen, fields.CAPLEN]
        is_whole = at + OPTIONS + 3 <= end
        chosen, at, end = chosen[is_whole], at[is_whole], end[is_whole]
        is_dhcp = be32_at(raw, at + COOKIE) == MAGIC
        chosen, at, end = chosen[is_dhcp], at[is_dhcp], end[is_dhcp]
        if not len(chosen):
            return
        keys = np.zeros((len(chosen), schema.DHCP_KEY), dtype=np.int64)
        keys[:, schema.DHCP_POINT] = rows[chosen, fields.POINT] + base
        for column, field in (
            (schema.DHCP_VIA, fields.VIA), (schema.DHCP_VIA_VNI, fields.VIA_VNI), (schema.DHCP_SRC_LO, fields.SRC_LO),
        ):  # fmt: skip
            keys[:, column] = rows[chosen, field]
        keys[:, schema.DHCP_CLIENT] = be48_at(raw, at + CLIENT)
        keys[:, schema.DHCP_TYPE] = _types(raw, at + OPTIONS, end)
        self._messages.add(keys, rows[chosen, fields.FRAME], rows[chosen, fields.TIME])

    @property
    def table(self) -> DhcpTable:
        """int64 array of shape (n, DHCP_WIDTH), in order of first sight."""
        return self._messages.rows


def _types(raw: np.ndarray, at: Values, end: Values) -> Values:
    """The type of each message whose options begin at these offsets, 0 if it is not among the first ones."""
    at, types = at.copy(), np.zeros(len(at), dtype=np.int64)
    for _ in range(MAX_OPTIONS):
        pending = np.flatnonzero((types == 0) & (at + 3 <= end))
        code = raw[at[pending]]
        typed = pending[code == MESSAGE_TYPE]
        types[typed] = raw[at[typed] + 2]
        length = raw[at[pending] + 1].astype(np.int64)
        at[pending] += np.where(code == 0, 1, 2 + length)  # 0 is padding, without a length
    return types
