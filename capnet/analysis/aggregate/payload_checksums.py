"""TCP and UDP checksums that nobody has filled in yet: a sender leaves the sum to its network card.

Input: blocks of rows with their bytes. Output: `by_point`, how many packets were looked at and how many hold only the
sum of the pseudo-header (RFC 9293 section 3.1). Method: a sample of frames chosen by frame number, so that it does not
matter in which blocks they come.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.payload_dns import payload_span
from capnet.analysis.core.payload import Checksums
from capnet.wire.block import Block
from capnet.wire.fields import (
    DPORT,
    DST_HI,
    DST_LO,
    FRAG_OFFSET,
    FRAME,
    IP_LENGTH,
    LAYER_FRAGMENT,
    LAYER_IPV4,
    LAYER_TCP,
    LAYER_UDP,
    LAYERS,
    PAYLOAD,
    PAYLOAD_AT,
    POINT,
    PROTO,
    SPORT,
    SRC_HI,
    SRC_LO,
)
from capnet.wire.numbers import TCP

MAX_FRAME_ALL = 20_000  # every frame up to this one is looked at, behind it the first ones of each window
WINDOW = 65_536  # frames
SAMPLED = 256  # frames of each window
MAX_FRAMES = 10  # named of each point


class ChecksumSample:
    """Fill with `see`, then read `by_point`."""

    def __init__(self) -> None:
        self.by_point: dict[int, Checksums] = {}

    def see(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if not len(block):
            return
        first, last = int(block.rows[0, FRAME]), int(block.rows[-1, FRAME])
        if first > MAX_FRAME_ALL and first % WINDOW >= SAMPLED and last // WINDOW == first // WINDOW:
            return
        # By the frame's number, so that it does not matter in which blocks they come.
        rows = block.rows
        frame = rows[:, FRAME]
        picked = np.flatnonzero((frame <= MAX_FRAME_ALL) | (frame % WINDOW < SAMPLED))
        layers = rows[picked, LAYERS]
        mine = (layers & (LAYER_TCP | LAYER_UDP) != 0) & (layers & LAYER_FRAGMENT == 0)
        mine &= (rows[picked, PAYLOAD_AT] >= 0) & (rows[picked, FRAG_OFFSET] <= 0)
        picked, layers = picked[mine], layers[mine]
        v4, tcp = layers & LAYER_IPV4 != 0, layers & LAYER_TCP != 0
        length = rows[picked, IP_LENGTH] - np.where(v4, 20, 40)  # of TCP or UDP; options, extension headers: see below
        payload_at, end = payload_span(block, picked)
        at = payload_at - (length - rows[picked, PAYLOAD])
        inside = (at >= 0) & (at < payload_at) & (at + 18 <= end) & ((rows[picked, PROTO] == TCP) == tcp)
        inside |= (at >= 0) & (at + 8 == payload_at) & ~tcp & (payload_at <= end)
        picked, at, tcp, length, v6 = picked[inside], at[inside], tcp[inside], length[inside], ~v4[inside]
        raw = np.frombuffer(block.raw, dtype=np.uint8)

        def be16(offset: np.ndarray) -> np.ndarray:
            return raw[offset].astype(np.int64) * 256 + raw[offset + 1]

        # Where the header does not begin here (IP options), these are not its ports.
        right = (be16(at) == rows[picked, SPORT]) & (be16(at + 2) == rows[picked, DPORT])
        stored = be16(at + np.where(tcp, 16, 6))
        total = np.where(tcp, 6, 17) + length
        for column in (SRC_LO, DST_LO):
            low = rows[picked, column]
            total += (low & 0xFFFF) + (low >> 16 & 0xFFFF)
        for column, shifts in ((SRC_LO, (32, 48)), (DST_LO, (32, 48)), (SRC_HI, _ALL), (DST_HI, _ALL)):
            long = rows[picked[v6], column]
            for shift in shifts:
                total[v6] += long >> shift & 0xFFFF
        for _ in range(3):
            total = (total & 0xFFFF) + (total >> 16)
        right &= stored != 0  # UDP without a checksum
        unfilled = right & (stored == total)
        points = rows[picked, POINT] + base
        for point in sorted(set(points[right].tolist())):
            entry = self.by_point.setdefault(point, Checksums())
            here = np.flatnonzero(unfilled & (points == point))
            entry.seen += int((right & (points == point)).sum())
            entry.unfilled += len(here)
            entry.frames += rows[picked[here[: MAX_FRAMES - len(entry.frames)]], FRAME].tolist()


_ALL = (0, 16, 32, 48)
