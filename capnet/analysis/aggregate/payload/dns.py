"""DNS messages over UDP port 53: who asks whom for what, and what is answered (RFC 1035 section 4.1).

Input: blocks of rows with their bytes. Output: `messages`, a table (columns: `core.schema`, DNS_) and the names in it.
Limits: the first MAX_MESSAGES; of compressed names, the part before the first pointer.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.payload import DnsMessages
from capnet.analysis.core.schema import DnsTable, Values
from capnet.wire import fields, numbers
from capnet.wire.block import Block

MAX_MESSAGES = 10_000
MAX_NAME = 255  # octets (RFC 1035 section 2.3.4)
HEADER = 12  # octets before the question

_COLUMNS = (
    (schema.DNS_POINT, fields.POINT), (schema.DNS_VIA, fields.VIA), (schema.DNS_VIA_VNI, fields.VIA_VNI),
    (schema.DNS_SRC_HI, fields.SRC_HI), (schema.DNS_SRC_LO, fields.SRC_LO), (schema.DNS_DST_HI, fields.DST_HI),
    (schema.DNS_DST_LO, fields.DST_LO), (schema.DNS_SPORT, fields.SPORT), (schema.DNS_DPORT, fields.DPORT),
    (schema.DNS_FRAME, fields.FRAME), (schema.DNS_TIME, fields.TIME),
)  # fmt: skip


class DnsSample:
    """Fill with `add`, then read `messages`."""

    def __init__(self) -> None:
        self._tables: list[DnsTable] = []
        self._names: dict[str, int] = {}
        self._count = 0

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if not block.dns or self._count >= MAX_MESSAGES:
            return
        rows = block.rows
        chosen = np.flatnonzero(
            (rows[:, fields.SPORT] == numbers.PORT_DNS) | (rows[:, fields.DPORT] == numbers.PORT_DNS)
        )
        is_udp = (rows[chosen, fields.LAYERS] & fields.LAYER_UDP != 0) & (rows[chosen, fields.PAYLOAD_AT] >= 0)
        chosen = chosen[is_udp]
        at, end = payload_span(block, chosen)
        has_header = at + HEADER <= end
        chosen, at, end = (values[has_header][: MAX_MESSAGES - self._count] for values in (chosen, at, end))
        table = np.full((len(chosen), schema.DNS_WIDTH), -1, dtype=np.int64)
        for column, field in _COLUMNS:
            table[:, column] = rows[chosen, field]
        table[:, schema.DNS_POINT] += base
        raw = np.frombuffer(block.raw, dtype=np.uint8)
        for column, offset in ((schema.DNS_ID, 0), (schema.DNS_FLAGS, 2), (schema.DNS_ANSWERS, 6)):
            table[:, column] = raw[at + offset].astype(np.int64) * 256 + raw[at + offset + 1]
        for number, (first, stop) in enumerate(zip(at.tolist(), end.tolist(), strict=True)):
            name, table[number, schema.DNS_QTYPE] = _question(bytes(block.raw[first : min(stop, first + 512)]))
            if name is not None:
                table[number, schema.DNS_NAME] = self._names.setdefault(name, len(self._names))
        self._tables.append(table)
        self._count += len(table)

    @property
    def messages(self) -> DnsMessages:
        """In the order of the pass."""
        return DnsMessages(np.concatenate([DnsMessages().table, *self._tables]), list(self._names))


def payload_span(block: Block, rows: Values) -> tuple[Values, Values]:
    """Where the payloads of these rows begin in `raw`, and where their frames' captured bytes end."""
    record, table = block.record_at[rows], block.rows
    return record + table[rows, fields.PAYLOAD_AT], record + table[rows, fields.START] + table[rows, fields.CAPLEN]


def _question(message: bytes) -> tuple[str | None, int]:
    """The name in small letters and the type that a message asks about; None and -1 where it has none.

    What was cut, or is no name, ends it.
    """
    if int.from_bytes(message[4:6], "big") == 0:
        return None, -1
    labels: list[str] = []
    at = HEADER
    while at < len(message) and 0 < (size := message[at]) < 64 and at + size < min(len(message), HEADER + MAX_NAME):
        labels.append(message[at + 1 : at + 1 + size].decode("latin-1"))
        at += 1 + size
    is_whole = at + 5 <= len(message) and message[at] == 0
    return ".".join(labels).lower(), int.from_bytes(message[at + 1 : at + 3], "big") if is_whole else -1
