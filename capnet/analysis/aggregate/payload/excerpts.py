"""The sampled frames of many blocks as few blocks: numpy takes as long for a few frames as for hundreds.

Input: blocks of rows with their bytes. Output: blocks that hold all frames of STORED_CHECKSUMS, the larger sample, in
the order of the pass, and perhaps others. Blocks that hold many are left as they are, excerpts of the others are
joined. Limits: at most MAX_ROWS rows are kept, with at most MAX_BYTES.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.aggregate.payload.segments import STORED_CHECKSUMS, has_sampled_frames, is_sampled
from capnet.quick_tuple import NamedTuple
from capnet.wire import fields
from capnet.wire.block import Block, Rows, RowValues

MIN_SHARE = 0.5  # of the rows of a block that is not joined, however few
MIN_ROWS = 1024  # of a block that is not joined: its bytes are not copied
MIN_BYTES = 1 << 19  # likewise: of frames as long as a capture allows, few make up as much
MAX_ROWS = 2048  # that are joined: 1 MB
MAX_BYTES = 1 << 20  # of their frames


class Excerpt(NamedTuple):
    """Some rows of a block, one after the other. POINT counts all captures' points; OUTER, from the first row on."""

    rows: Rows
    record_at: RowValues
    raw: bytes


class Excerpts:
    """Give blocks to `add`, and call `rest` at the end; both yield blocks, and the number of their first point."""

    def __init__(self) -> None:
        self._excerpts: list[Excerpt] = []
        self._rows = self._bytes = 0  # in them

    def add(self, block: Block, base: int) -> Iterator[tuple[Block, int]]:
        """Take in a block of a capture whose first point is number `base`."""
        if not has_sampled_frames(block, STORED_CHECKSUMS):
            return
        rows = np.flatnonzero(is_sampled(block, STORED_CHECKSUMS))
        if not len(rows):
            return
        first, end = int(rows[0]), int(rows[-1]) + 1
        begin, stop = _span(block, first, end)
        is_large = end - first >= min(MIN_ROWS, MIN_SHARE * len(block)) or stop - begin >= MIN_BYTES
        if is_large or self._rows + end - first > MAX_ROWS or self._bytes + stop - begin > MAX_BYTES:
            yield from self.rest()
        if is_large:
            yield block, base
        else:
            self._excerpts.append(excerpt_of(block, base, first, end))
            self._rows += end - first
            self._bytes += stop - begin

    def rest(self) -> Iterator[tuple[Block, int]]:
        """What was not yet yielded."""
        if self._excerpts:
            yield joined(self._excerpts), 0
            self._excerpts, self._rows, self._bytes = [], 0, 0


def _span(block: Block, first: int, end: int) -> tuple[int, int]:
    """Where the frames of rows `first` to `end` begin and end in the block's bytes."""
    rows = block.rows[first:end]
    frame_at = block.record_at[first:end] + rows[:, fields.START]
    return int(frame_at.min()), int((frame_at + rows[:, fields.CAPLEN]).max())


def excerpt_of(block: Block, base: int, first: int, end: int) -> Excerpt:
    """Copies of rows `first` to `end`, which are whole frames, and of their bytes."""
    rows = block.rows[first:end].copy()
    begin, stop = _span(block, first, end)
    rows[:, fields.POINT] += base
    rows[:, fields.OUTER] -= np.where(rows[:, fields.OUTER] >= 0, first, 0)
    return Excerpt(rows, block.record_at[first:end] - begin, bytes(block.raw[begin:stop]))


def joined(excerpts: list[Excerpt]) -> Block:
    """The rows of all excerpts as one block, over the octets of all of them."""
    row, octet = 0, 0
    for excerpt in excerpts:
        outer = excerpt.rows[:, fields.OUTER]
        outer += np.where(outer >= 0, row, 0)
        excerpt.record_at[:] += octet
        row, octet = row + len(excerpt.rows), octet + len(excerpt.raw)
    rows = np.concatenate([excerpt.rows for excerpt in excerpts])
    record_at = np.concatenate([excerpt.record_at for excerpt in excerpts])
    raw = memoryview(b"".join(excerpt.raw for excerpt in excerpts))
    layers = int(np.bitwise_or.reduce(rows[:, fields.LAYERS]))
    return Block(rows.reshape(-1), None, row, raw, record_at, layers, *[True] * 6)
