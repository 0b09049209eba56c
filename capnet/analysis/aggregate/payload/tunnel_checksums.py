"""Checksums of packets in tunnels, and of the UDP datagrams that carry them (RFC 768, RFC 9293, RFC 6935).

Input: blocks of rows with their bytes. Output: `table`, one row per inner flow and point: how many of its packets, and
of their carriers, had which verdict (columns and verdicts: `core.schema`, CHECKSUM_). A checksum is right if it and all
that it covers add up to 0xFFFF. Sample and limits: `segments`; MAX_FLOWS inner flows, more are left out; a packet that
was cut has no verdict unless its checksum is unfilled.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.payload.segments import (
    has_sampled_frames,
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
_NO_VERDICT = -1
_VERDICTS = 4

_KEY = [
    fields.POINT, fields.VIA, fields.VIA_VNI, fields.PROTO, fields.SRC_HI, fields.SRC_LO, fields.DST_HI, fields.DST_LO,
    fields.SPORT, fields.DPORT,
]  # fmt: skip


class TunnelChecksums:
    """Fill with `add`, then read `table`."""

    def __init__(self) -> None:
        self._rows: dict[bytes, Values] = {}

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if not block.layers & fields.LAYER_TUNNEL or not has_sampled_frames(block):
            return
        table = block.rows
        is_inner = (table[:, fields.VIA] > 0) & (table[:, fields.LAYERS] & fields.LAYER_IP != 0)
        inner = np.flatnonzero(is_inner & is_sampled(block))
        if not len(inner):
            return
        keys = table[inner[:, None], _KEY]
        keys[:, schema.CHECKSUM_POINT] += base
        echo_id = table[inner, fields.ICMP_ID]
        for column in (schema.CHECKSUM_SPORT, schema.CHECKSUM_DPORT):
            keys[:, column] = np.where(echo_id >= 0, echo_id, keys[:, column])
        carriers = table[inner, fields.OUTER]
        verdicts = _verdicts(block, inner, carriers)
        self._count(keys, verdicts[carriers], verdicts[inner], table[inner, fields.FRAME])

    def _count(self, keys: Values, outer: Values, own: Values, frames: Values) -> None:
        """Add packets with these keys, verdicts on their carriers and on themselves, and frame numbers."""
        hashes = row_hash(keys)
        order = np.argsort(hashes, kind="stable")
        starts = np.flatnonzero(hashes[order][1:] != hashes[order][:-1]) + 1
        for group in np.split(order, starts):
            entry = self._entry(keys[group[0]])
            if entry is None:
                continue
            for column, frame_column, verdicts in (
                (schema.CHECKSUM_OUTER, schema.CHECKSUM_OUTER_FRAME, outer[group]),
                (schema.CHECKSUM_INNER, schema.CHECKSUM_INNER_FRAME, own[group]),
            ):
                entry[column : column + _VERDICTS] += np.bincount(verdicts[verdicts >= 0], minlength=_VERDICTS)
                bad_frames = frames[group[verdicts >= schema.UNFILLED]]
                if len(bad_frames) and entry[frame_column] < 0:
                    entry[frame_column] = bad_frames[0]

    def _entry(self, key: Values) -> Values | None:
        """The row of a key, a new one if there is none; None if there are too many."""
        name = key.tobytes()
        if name not in self._rows and len(self._rows) < MAX_FLOWS:
            entry = np.zeros(schema.CHECKSUM_WIDTH, dtype=np.int64)
            entry[: schema.CHECKSUM_KEY] = key
            entry[[schema.CHECKSUM_OUTER_FRAME, schema.CHECKSUM_INNER_FRAME]] = -1
            self._rows[name] = entry
        return self._rows.get(name)

    @property
    def table(self) -> TunnelChecksumTable:
        """int64 array of shape (n, CHECKSUM_WIDTH)."""
        return np.array(list(self._rows.values()), dtype=np.int64).reshape(-1, schema.CHECKSUM_WIDTH)


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
