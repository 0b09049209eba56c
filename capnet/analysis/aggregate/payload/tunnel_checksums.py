"""Checksums of packets in tunnels, and of the UDP datagrams that carry them (RFC 768, RFC 9293, RFC 6935).

Input: blocks of `excerpts`. Output: `table`, one row per inner flow and point: how many of its packets, and
of their carriers, had which verdict (columns and verdicts: `core.schema`, CHECKSUM_). A checksum is right if it and all
that it covers add up to 0xFFFF. Sample and limits: `segments`; MAX_FLOWS inner flows, more are left out; a packet that
was cut has no verdict unless its checksum is unfilled. `PlainChecksums` does the same for TCP outside of tunnels, of
packets that no offload can have joined.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from capnet.analysis.aggregate.payload.segments import (
    SUMMED_CHECKSUMS,
    is_captured,
    is_sampled,
    pseudo_header_sums,
    segments_of,
    stored_checksums,
    word_sums,
)
from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, row_hash
from capnet.analysis.core.schema import Mask, TunnelChecksumTable, Values
from capnet.wire import fields
from capnet.wire.block import Block

MAX_FLOWS = 4096
MAX_PLAIN_LENGTH = 1500  # octets: a card that joins segments (LRO) leaves the checksum of the first one
_NO_VERDICT = -1
_VERDICTS = 4

_KEY = [
    fields.POINT, fields.VIA, fields.VIA_VNI, fields.PROTO, fields.SRC_HI, fields.SRC_LO, fields.DST_HI, fields.DST_LO,
    fields.SPORT, fields.DPORT,
]  # fmt: skip


class _FlowChecksums(ABC):
    """Fill with `add`, then read `table`."""

    def __init__(self) -> None:
        self._packets: list[Values] = []  # rows: key, verdict on the carrier, verdict on the packet, frame number

    def add(self, block: Block, base: int) -> None:
        """Look into a block of sampled frames, of a capture whose first point is number `base`."""
        inner = self._rows(block)
        if not len(inner):
            return
        table = block.rows
        keys = table[inner[:, None], _KEY]
        keys[:, schema.CHECKSUM_POINT] += base
        echo_id = table[inner, fields.ICMP_ID]
        for column in (schema.CHECKSUM_SPORT, schema.CHECKSUM_DPORT):
            keys[:, column] = np.where(echo_id >= 0, echo_id, keys[:, column])
        carriers = np.where(table[inner, fields.VIA] > 0, table[inner, fields.OUTER], inner)
        verdicts = _verdicts(block, inner, carriers)
        self._packets.append(np.column_stack((keys, verdicts[carriers], verdicts[inner], table[inner, fields.FRAME])))

    @abstractmethod
    def _rows(self, block: Block) -> Values:
        """The rows that are looked at."""

    @property
    def table(self) -> TunnelChecksumTable:
        """int64 array of shape (n, CHECKSUM_WIDTH), in order of first sight."""
        if not self._packets:
            return np.zeros((0, schema.CHECKSUM_WIDTH), dtype=np.int64)
        packets = np.concatenate(self._packets)
        keys, (outer, own, frames) = packets[:, : schema.CHECKSUM_KEY], packets[:, schema.CHECKSUM_KEY :].T
        _, first, flow = np.unique(row_hash(keys), return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))  # of each flow, by first sight
        flow, first = rank[flow], np.sort(first)
        table = np.zeros((len(first), schema.CHECKSUM_WIDTH), dtype=np.int64)
        table[:, : schema.CHECKSUM_KEY] = keys[first]
        for column, frame_column, verdicts in (
            (schema.CHECKSUM_OUTER, schema.CHECKSUM_OUTER_FRAME, outer),
            (schema.CHECKSUM_INNER, schema.CHECKSUM_INNER_FRAME, own),
        ):
            has_verdict = verdicts >= 0
            np.add.at(table, (flow[has_verdict], column + verdicts[has_verdict]), 1)
            table[:, frame_column] = -1
            bad = np.flatnonzero(verdicts >= schema.UNFILLED)[::-1]  # the first one is written last
            table[flow[bad], frame_column] = frames[bad]
        return table[:MAX_FLOWS]


class TunnelChecksums(_FlowChecksums):
    """Those of packets in tunnels, and of their carriers."""

    def _rows(self, block: Block) -> Values:
        if not block.layers & fields.LAYER_TUNNEL:
            return np.zeros(0, dtype=np.int64)
        table = block.rows
        is_inner = (table[:, fields.VIA] > 0) & (table[:, fields.LAYERS] & (fields.LAYER_IP | fields.LAYER_ARP) != 0)
        return np.flatnonzero(is_inner & is_sampled(block, SUMMED_CHECKSUMS))


class PlainChecksums(_FlowChecksums):
    """Those of TCP segments outside of tunnels."""

    def _rows(self, block: Block) -> Values:
        table = block.rows
        is_plain = (table[:, fields.VIA] == 0) & (table[:, fields.LAYERS] & fields.LAYER_TCP != 0)
        is_plain &= table[:, fields.IP_LENGTH] <= MAX_PLAIN_LENGTH
        return np.flatnonzero(is_plain & is_sampled(block, SUMMED_CHECKSUMS))


def _verdicts(block: Block, inner: Values, carriers: Values) -> Values:
    """Per row of the block: the verdict on its checksum if it is one of these and has one, else _NO_VERDICT.

    A sender that leaves the inner checksum to its card computes the carrier's as if it were filled in already (Linux:
    local checksum offload), so this is right as well.
    """
    verdicts, totals, sums, pseudos = (np.full(len(block), value) for value in (_NO_VERDICT, 0, 0, 0))
    rows = distinct(np.concatenate((inner, carriers)))
    depths = block.rows[rows, fields.DEPTH]
    for depth in distinct(depths).tolist():  # packets of one depth do not overlap
        segments = segments_of(block, rows[depths == depth])
        at = segments.rows
        pseudos[at] = pseudo_header_sums(block, segments)
        is_whole = is_captured(block, segments)
        sums[at[is_whole]] = word_sums(block, segments.take(is_whole))
        totals[at] = pseudos[at] + sums[at]
        verdicts[at[is_whole]] = np.where(_is_right(totals[at[is_whole]]), schema.RIGHT, schema.WRONG)
        stored = stored_checksums(block, segments)
        verdicts[at[(stored == pseudos[at]) & (verdicts[at] != schema.RIGHT)]] = schema.UNFILLED
        verdicts[at[~segments.is_tcp & (stored == 0)]] = schema.NO_CHECKSUM
    is_ahead = (verdicts[carriers] == schema.WRONG) & (verdicts[inner] == schema.UNFILLED)
    is_ahead &= _is_right(totals[carriers] - sums[inner] - pseudos[inner])
    verdicts[carriers[is_ahead]] = schema.RIGHT
    return verdicts


def _is_right(sums: Values) -> Mask:
    """Do words that include a checksum add up to 0xFFFF in ones' complement (RFC 1071)?"""
    mask: Mask = sums % 0xFFFF == 0
    return mask
