"""TCP and UDP checksums that a sender leaves to its network card, which fills them in after the capture.

Input: blocks of rows with their bytes. Output: `by_point`, how many packets were looked at and how many hold only the
sum of the pseudo-header (RFC 9293 section 3.1). Method: a sample of frames, chosen by frame number, so that it does not
depend on the blocks they come in. Limits: no packets with IP options or IPv6 extension headers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from capnet.analysis.aggregate.payload.dns import payload_span
from capnet.analysis.core.payload import Checksums
from capnet.analysis.core.schema import Mask, Values
from capnet.wire import fields, numbers
from capnet.wire.block import Block

MAX_FRAME_ALL = 20_000  # every frame up to this one is in the sample, behind it the first ones of each window
WINDOW = 65_536  # frames
SAMPLED = 256  # frames of each window
MAX_FRAMES = 10  # named for each point


class ChecksumSample:
    """Fill with `add`, then read `by_point`."""

    def __init__(self) -> None:
        self.by_point: dict[int, Checksums] = {}

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if not len(block) or not _has_sampled_frames(block):
            return
        segments = _segments(block, _sampled_rows(block))
        stored = _be16(block, segments.at + np.where(segments.is_tcp, 16, 6))
        is_known = _has_its_ports(block, segments) & (stored != 0)  # 0: UDP without a checksum
        is_unfilled = is_known & (stored == _pseudo_header_sum(block, segments))
        frames = block.rows[segments.rows, fields.FRAME]
        points = block.rows[segments.rows, fields.POINT] + base
        for point in sorted(set(points[is_known].tolist())):
            entry = self.by_point.setdefault(point, Checksums())
            unfilled = np.flatnonzero(is_unfilled & (points == point))
            entry.seen += int((is_known & (points == point)).sum())
            entry.unfilled += len(unfilled)
            entry.frames += frames[unfilled[: MAX_FRAMES - len(entry.frames)]].tolist()


class _Segments(NamedTuple):
    """TCP and UDP headers of a block, one for each of `rows`, all arrays of one length."""

    rows: Values  # of the block
    at: Values  # where the header begins in `block.raw`
    length: Values  # of header and payload, octets
    is_tcp: Mask
    is_ipv6: Mask


def _has_sampled_frames(block: Block) -> bool:
    """False where a look at the first and the last frame tells that no frame of a block is in the sample."""
    first, last = int(block.rows[0, fields.FRAME]), int(block.rows[-1, fields.FRAME])
    return first <= MAX_FRAME_ALL or first % WINDOW < SAMPLED or last // WINDOW != first // WINDOW


def _sampled_rows(block: Block) -> Values:
    """Rows of the frames in the sample that are TCP or UDP, and no fragments."""
    frames = block.rows[:, fields.FRAME]
    rows = np.flatnonzero((frames <= MAX_FRAME_ALL) | (frames % WINDOW < SAMPLED))
    layers = block.rows[rows, fields.LAYERS]
    is_whole = (layers & (fields.LAYER_TCP | fields.LAYER_UDP) != 0) & (layers & fields.LAYER_FRAGMENT == 0)
    is_whole &= (block.rows[rows, fields.PAYLOAD_AT] >= 0) & (block.rows[rows, fields.FRAG_OFFSET] <= 0)
    return rows[is_whole]


def _segments(block: Block, rows: Values) -> _Segments:
    """Where the headers of these rows begin, if there are neither IP options nor extension headers (else elsewhere)."""
    table = block.rows
    layers = table[rows, fields.LAYERS]
    is_ipv4, is_tcp = layers & fields.LAYER_IPV4 != 0, layers & fields.LAYER_TCP != 0
    length = table[rows, fields.IP_LENGTH] - np.where(is_ipv4, 20, 40)
    payload_at, end = payload_span(block, rows)
    at = payload_at - (length - table[rows, fields.PAYLOAD])
    is_captured = (at >= 0) & (at < payload_at) & (at + 18 <= end)
    is_captured &= (table[rows, fields.PROTO] == numbers.TCP) == is_tcp
    is_captured |= (at >= 0) & (at + 8 == payload_at) & ~is_tcp & (payload_at <= end)
    return _Segments(*(array[is_captured] for array in (rows, at, length, is_tcp, ~is_ipv4)))


def _has_its_ports(block: Block, segments: _Segments) -> Mask:
    """Whether the ports stand where the header should begin: else it begins elsewhere."""
    sports = block.rows[segments.rows, fields.SPORT]
    dports = block.rows[segments.rows, fields.DPORT]
    return (_be16(block, segments.at) == sports) & (_be16(block, segments.at + 2) == dports)


def _pseudo_header_sum(block: Block, segments: _Segments) -> Values:
    """What a sender leaves in the checksum field: addresses, protocol and length, added up in ones' complement."""
    table, is_ipv6 = block.rows, segments.is_ipv6
    total = np.where(segments.is_tcp, numbers.TCP, numbers.UDP) + segments.length
    for column in (fields.SRC_LO, fields.DST_LO):
        values = table[segments.rows, column]
        total += (values & 0xFFFF) + (values >> 16 & 0xFFFF)
    for column, shifts in (
        (fields.SRC_LO, (32, 48)),
        (fields.DST_LO, (32, 48)),
        (fields.SRC_HI, (0, 16, 32, 48)),
        (fields.DST_HI, (0, 16, 32, 48)),
    ):
        values = table[segments.rows[is_ipv6], column]
        for shift in shifts:
            total[is_ipv6] += values >> shift & 0xFFFF
    for _ in range(3):
        total = (total & 0xFFFF) + (total >> 16)
    return total


def _be16(block: Block, at: Values) -> Values:
    """The 16-bit numbers at these offsets of a block's bytes."""
    raw = np.frombuffer(block.raw, dtype=np.uint8)
    return raw[at].astype(np.int64) * 256 + raw[at + 1]
