"""Maximum segment sizes that both ends of TCP connections announce (RFC 9293 section 3.7.1).

Input: blocks of rows with their bytes. Output: `table`, one row for each SYN (columns: `core.schema`, SYN_).
Limits: the first MAX_SYNS; later blocks are not looked at.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.payload.dns import payload_span
from capnet.analysis.core import schema
from capnet.analysis.core.schema import SynTable, Values
from capnet.wire import fields
from capnet.wire.block import Block
from capnet.wire.numbers import TCP_SYN

MAX_SYNS = 4000
TCP_HEADER, MAX_TCP_HEADER = 20, 60  # octets, without and with all options
OPTION_END, OPTION_PADDING, OPTION_MSS = 0, 1, 2

_COLUMNS = (
    (schema.SYN_POINT, fields.POINT), (schema.SYN_VIA, fields.VIA), (schema.SYN_VIA_VNI, fields.VIA_VNI),
    (schema.SYN_SRC_HI, fields.SRC_HI), (schema.SYN_SRC_LO, fields.SRC_LO), (schema.SYN_DST_HI, fields.DST_HI),
    (schema.SYN_DST_LO, fields.DST_LO), (schema.SYN_SPORT, fields.SPORT), (schema.SYN_DPORT, fields.DPORT),
    (schema.SYN_FRAME, fields.FRAME),
)  # fmt: skip


class Syns:
    """Fill with `add`, then read `table`."""

    def __init__(self) -> None:
        self._tables: list[SynTable] = []
        self._count = 0

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if not block.syns or self._count >= MAX_SYNS:
            return
        flags = block.rows[:, fields.TCP_FLAGS]
        chosen = np.flatnonzero((flags > 0) & (flags & TCP_SYN != 0) & (block.rows[:, fields.PAYLOAD_AT] >= 0))
        chosen = chosen[: MAX_SYNS - self._count]
        table = np.zeros((len(chosen), schema.SYN_WIDTH), dtype=np.int64)
        for column, field in _COLUMNS:
            table[:, column] = block.rows[chosen, field]
        table[:, schema.SYN_POINT] += base
        at, _ = payload_span(block, chosen)
        lowest = block.record_at[chosen] + block.rows[chosen, fields.START]
        table[:, schema.SYN_MSS] = _maximum_segment_sizes(block, table, lowest, at)
        self._tables.append(table)
        self._count += len(table)

    @property
    def table(self) -> SynTable:
        """In the order of the pass."""
        return np.concatenate([np.zeros((0, schema.SYN_WIDTH), dtype=np.int64), *self._tables])


def _maximum_segment_sizes(block: Block, table: SynTable, lowest: Values, ends: Values) -> Values:
    """The MSS option of the TCP header that ends at each of `ends`, 0 without one; frames begin at `lowest`.

    A header begins where it has the ports of its SYN, and its length leads to the end.
    """
    raw = np.frombuffer(block.raw, dtype=np.uint8)
    ports = table[:, schema.SYN_SPORT] << 16 | table[:, schema.SYN_DPORT]
    sizes = np.zeros(len(table), dtype=np.int64)
    for length in range(TCP_HEADER, MAX_TCP_HEADER + 1, 4):
        rows = np.flatnonzero((ends - length >= lowest) & (sizes == 0))
        start = ends[rows] - length
        rows, start = (values[raw[start + 12] >> 4 == length // 4] for values in (rows, start))
        rows, start = (values[_be32(raw, start) == ports[rows]] for values in (rows, start))
        if length == TCP_HEADER or not len(rows):
            continue
        option = start + TCP_HEADER
        is_first = (raw[option] == OPTION_MSS) & (raw[option + 1] == 4)  # as most systems write it
        sizes[rows[is_first]] = _be32(raw, option[is_first]) & 0xFFFF
        for row, first in zip(rows[~is_first].tolist(), option[~is_first].tolist(), strict=True):
            sizes[row] = _mss_option(bytes(block.raw[first : int(ends[row])]))
    return sizes


def _be32(raw: np.ndarray, at: Values) -> Values:
    octets = (raw[at + number].astype(np.int64) << 24 - 8 * number for number in range(4))
    total: Values = sum(octets, np.zeros(len(at), dtype=np.int64))
    return total


def _mss_option(options: bytes) -> int:
    at = 0
    while at < len(options) and options[at] != OPTION_END:
        if options[at] == OPTION_PADDING:
            at += 1
            continue
        size = options[at + 1] if at + 1 < len(options) else 0
        if size < 2:
            return 0
        if options[at] == OPTION_MSS and size == 4:
            return int.from_bytes(options[at + 2 : at + 4], "big")
        at += size
    return 0
