"""How associations of SCTP begin: packets whose first chunk is INIT, INIT ACK or ABORT (RFC 9260 section 3.2).

INIT and INIT ACK are alone in their packets; an ABORT that refuses is the first chunk of its own.
Input: blocks of rows with their bytes. Output: `chunks`, one for each flow, point and kind of chunk, in order of first
sight. Limits: the first MAX_CHUNKS.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.payload.directions import DIRECTION
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.payload import SctpChunks
from capnet.wire import fields
from capnet.wire.block import Block
from capnet.wire.numbers import SCTP_ABORT, SCTP_INIT, SCTP_INIT_ACK

MAX_CHUNKS = 4096  # more associations than one host has


class SctpSetups:
    """Fill with `add`, then read `chunks`."""

    def __init__(self) -> None:
        self._chunks: dict[tuple[int, ...], list[int]] = {}  # key → packets, first frame, first and last time

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        table, raw = block.rows, np.frombuffer(block.raw, dtype=np.uint8)
        rows = np.flatnonzero((table[:, fields.LAYERS] & fields.LAYER_SCTP != 0) & (table[:, fields.PAYLOAD_AT] >= 0))
        at, end = (table[rows, column] for column in (fields.PAYLOAD_AT, fields.CAPLEN))
        is_there = at < table[rows, fields.START] + end
        rows, at = rows[is_there], (block.record_at[rows] + at)[is_there]
        kinds = raw[at]
        is_setup = is_one_of(kinds, (SCTP_INIT, SCTP_INIT_ACK, SCTP_ABORT))
        rows, kinds = rows[is_setup], kinds[is_setup]
        times, frames = (table[rows, column].tolist() for column in (fields.TIME, fields.FRAME))
        keys = table[rows[:, None], DIRECTION].tolist()
        for key, kind, time, frame in zip(keys, kinds.tolist(), times, frames, strict=True):
            name = (key[0] + base, *key[1:], kind)
            entry = self._chunks.get(name)
            if entry is not None:
                entry[0] += 1
                entry[3] = time
            elif len(self._chunks) < MAX_CHUNKS:
                self._chunks[name] = [1, frame, time, time]

    @property
    def chunks(self) -> list[SctpChunks]:
        """In order of first sight."""
        return [SctpChunks(*key, *counts) for key, counts in self._chunks.items()]
