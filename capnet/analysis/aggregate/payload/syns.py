"""SYNs: the maximum segment size, window scale and timestamp of each end, a signature, the checksum, a packet type.

Sources: RFC 9293 sections 3.7.1 and 3.1, RFC 7323 section 3, RFC 2385.

Input: blocks of rows with their bytes. Output: `table`, one row for each SYN (columns: `core.schema`, SYN_).
Limits: the first MAX_SYNS; later blocks are not looked at.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.payload.dns import payload_span
from capnet.analysis.aggregate.payload.octets import Octets, be32_at
from capnet.analysis.aggregate.payload.segments import checksum_verdicts
from capnet.analysis.core import schema
from capnet.analysis.core.schema import SynTable, Values
from capnet.wire import fields
from capnet.wire.block import Block
from capnet.wire.numbers import TCP_SYN

MAX_SYNS = 4000
TCP_HEADER, MAX_TCP_HEADER = 20, 60  # octets, without and with all options
OPTION_END, OPTION_PADDING, OPTION_MSS, OPTION_SCALE = 0, 1, 2, 3
OPTION_MD5, MD5_SIZE = 19, 18  # RFC 2385

_COLUMNS = (
    (schema.SYN_POINT, fields.POINT), (schema.SYN_VIA, fields.VIA), (schema.SYN_VIA_VNI, fields.VIA_VNI),
    (schema.SYN_SRC_HI, fields.SRC_HI), (schema.SYN_SRC_LO, fields.SRC_LO), (schema.SYN_DST_HI, fields.DST_HI),
    (schema.SYN_DST_LO, fields.DST_LO), (schema.SYN_SPORT, fields.SPORT), (schema.SYN_DPORT, fields.DPORT),
    (schema.SYN_FRAME, fields.FRAME), (schema.SYN_TSVAL, fields.TSVAL), (schema.SYN_PACKET_TYPE, fields.PKTTYPE),
)  # fmt: skip


class Syns:
    """Fill with `add`, then read `table`."""

    def __init__(self) -> None:
        self._tables: list[SynTable] = []
        self._count = 0

    def add(self, block: Block, base: int) -> Values:
        """Look into a block of a capture whose first point is number `base`. Returns the rows of its SYNs."""
        if not block.syns or self._count >= MAX_SYNS:
            return np.zeros(0, dtype=np.int64)
        flags = block.rows[:, fields.TCP_FLAGS]
        chosen = np.flatnonzero((flags > 0) & (flags & TCP_SYN != 0) & (block.rows[:, fields.PAYLOAD_AT] >= 0))
        chosen = chosen[: MAX_SYNS - self._count]
        table = np.zeros((len(chosen), schema.SYN_WIDTH), dtype=np.int64)
        for column, field in _COLUMNS:
            table[:, column] = block.rows[chosen, field]
        table[:, schema.SYN_POINT] += base
        at, _ = payload_span(block, chosen)
        lowest = block.record_at[chosen] + block.rows[chosen, fields.START]
        _read_options(block, table, lowest, at)
        table[:, schema.SYN_CHECKSUM] = checksum_verdicts(block, chosen)
        self._tables.append(table)
        self._count += len(table)
        return chosen

    @property
    def table(self) -> SynTable:
        """In the order of the pass."""
        return np.concatenate([np.zeros((0, schema.SYN_WIDTH), dtype=np.int64), *self._tables])


def _read_options(block: Block, table: SynTable, lowest: Values, ends: Values) -> None:
    """Fill in MSS, window scale and signature of the TCP header that ends at each of `ends`; frames begin at `lowest`.

    MSS: 0 without the option. Window scale: NO_SCALE without it, ABSENT where no header ends there.
    A header begins where it has the ports of its SYN, and its length leads to the end.
    """
    raw = np.frombuffer(block.raw, dtype=np.uint8)
    ports = table[:, schema.SYN_SPORT] << 16 | table[:, schema.SYN_DPORT]
    sizes = np.zeros(len(table), dtype=np.int64)
    scales, signed = (np.full(len(table), fields.ABSENT) for _ in range(2))
    lengths = np.arange(TCP_HEADER + 4, MAX_TCP_HEADER + 1, 4)  # of headers with options
    starts = ends[:, None] - lengths
    is_header = starts >= lowest[:, None]
    starts = np.maximum(starts, lowest[:, None])
    is_header &= (raw[starts + 12] >> 4 == lengths // 4) & (be32_at(raw, starts) == ports[:, None])
    for column in np.flatnonzero(is_header.any(axis=0)).tolist():
        rows = np.flatnonzero(is_header[:, column] & (sizes == 0))
        option = starts[rows, column] + TCP_HEADER
        scales[rows] = option_values(raw, option, ends[rows], OPTION_SCALE, 3, schema.NO_SCALE)
        signed[rows] = option_values(raw, option, ends[rows], OPTION_MD5, MD5_SIZE, fields.ABSENT) != fields.ABSENT
        is_first = (raw[option] == OPTION_MSS) & (raw[option + 1] == 4)  # as most systems write it
        sizes[rows[is_first]] = be32_at(raw, option[is_first]) & 0xFFFF
        others = rows[~is_first]
        sizes[others] = mss_options(raw, option[~is_first], ends[others])
    table[:, schema.SYN_MSS], table[:, schema.SYN_SCALE], table[:, schema.SYN_SIGNED] = sizes, scales, signed


def mss_options(raw: Octets, option: Values, ends: Values) -> Values:
    """The MSS in each list of options, which begin at `option` and end before `ends`; 0 without one."""
    return option_values(raw, option, ends, OPTION_MSS, 4, 0)


def option_values(raw: Octets, option: Values, ends: Values, kind: int, size: int, missing: int) -> Values:
    """The value of the first option of a kind, with `size` octets in all, in each list; else `missing`.

    Of a longer one than 4 octets the first two. Of an option that its list cuts, the octets that are there.
    """
    values = np.full(len(option), missing)
    lists = np.arange(len(option))  # those that go on; in each round, one option further
    while True:
        goes_on = option < ends
        goes_on[goes_on] = raw[option[goes_on]] != OPTION_END
        lists, option, ends = lists[goes_on], option[goes_on], ends[goes_on]
        if not len(lists):
            return values
        kinds, length, high, low = (_octet(raw, option + number, ends) for number in range(4))
        is_wanted = (kinds == kind) & (length == size)
        has_one = (option + size > ends) | (size == 3)
        values[lists[is_wanted]] = np.where(has_one, high, high << 8 | low)[is_wanted]
        step = np.where(kinds == OPTION_PADDING, 1, length)
        goes_on = ~is_wanted & ((step >= 2) | (kinds == OPTION_PADDING))
        lists, option, ends = lists[goes_on], (option + step)[goes_on], ends[goes_on]


def _octet(raw: Octets, at: Values, ends: Values) -> Values:
    """The octet at each place, 0 from `ends` on."""
    octets: Values = np.where(at < ends, raw[np.minimum(at, ends - 1)], 0).astype(np.int64)
    return octets
