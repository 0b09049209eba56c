"""TCP and UDP checksums that a sender leaves to its network card, which fills them in after the capture.

Input: blocks of `excerpts`. Output: `by_point`, how many packets were looked at and how many hold only the
sum of the pseudo-header (RFC 9293 section 3.1). Sample and limits: `segments`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.payload.segments import (
    STORED_CHECKSUMS,
    is_sampled,
    pseudo_header_sums,
    segments_of,
    stored_checksums,
)
from capnet.analysis.core.payload import Checksums
from capnet.wire import fields
from capnet.wire.block import Block

MAX_FRAMES = 10  # named for each point


class ChecksumSample:
    """Fill with `add`, then read `by_point`."""

    def __init__(self) -> None:
        self.by_point: dict[int, Checksums] = {}

    def add(self, block: Block, base: int) -> None:
        """Look into a block of sampled frames, of a capture whose first point is number `base`."""
        segments = segments_of(block, np.flatnonzero(is_sampled(block, STORED_CHECKSUMS)))
        stored = stored_checksums(block, segments)
        is_known = stored != 0  # 0: UDP without a checksum
        is_unfilled = is_known & (stored == pseudo_header_sums(block, segments))
        frames = block.rows[segments.rows, fields.FRAME]
        points = block.rows[segments.rows, fields.POINT] + base
        for point in sorted(set(points[is_known].tolist())):
            entry = self.by_point.setdefault(point, Checksums())
            unfilled = np.flatnonzero(is_unfilled & (points == point))
            entry.seen += int((is_known & (points == point)).sum())
            entry.unfilled += len(unfilled)
            entry.frames += frames[unfilled[: MAX_FRAMES - len(entry.frames)]].tolist()
