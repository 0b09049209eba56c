"""Where the kernel puts the columns of a batch of frames: one memory for all, a place for each.

Columns are ordered by size, so that each begins at a multiple of its size. A field that no frame of a block has is not
copied: memory begins as zeros, and zero is "missing" in `is_there`.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, TypeAlias

import numpy as np

from capnet.quick_tuple import NamedTuple
from capnet.table.batch import Values
from capnet.table.column import KINDS
from capnet.wire import fields
from capnet.wire.tables.columns import FRAME_COLUMNS, FrameColumn
from capnet.wire.tables.columns_kernel import NEVER

Numbers: TypeAlias = Annotated[np.ndarray, "(n,) int64"]
Octets: TypeAlias = Annotated[np.ndarray, "(n,) uint8"]

_CODE_SIZE = 4  # octets of the number of a text
_ALWAYS = {fields.FRAME, fields.DEPTH, fields.CAPLEN, fields.WIRELEN, fields.START, fields.POINT}
_ALWAYS |= {fields.TUNNEL, fields.VIA, fields.REASON, fields.DETAIL, fields.DIGEST}  # 0 is "none"


class ColumnPlace(NamedTuple):
    """Of a column: where it begins among those of its size, and in `is_there`; NEVER if no value is missing."""

    size: int
    at: int
    mask_at: int


class KernelColumns(NamedTuple):
    """What `put_columns` is told: the columns, and how many there are of 8, 16, 32 and 64 bits."""

    spec: Numbers
    counts: tuple[int, ...]


class ColumnLayout:
    """The places of all columns of a batch of `capacity` rows."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.places: dict[str, ColumnPlace] = {}
        octets = words = masks = 0
        for size in (8, 4, 2, 1):  # the largest first: each begins at a multiple of its size
            for column in FRAME_COLUMNS:
                if _size(column) != size:
                    continue
                mask_at = NEVER if column.field in _ALWAYS else masks
                begin = words if size == 8 else octets // size
                self.places[column.column.name] = ColumnPlace(size, begin, mask_at)
                masks += 0 if mask_at == NEVER else capacity
                words += capacity if size == 8 else 0
                octets += 0 if size == 8 else size * capacity
        self.octets, self.words, self.masks = octets, words, masks
        self.of_layers = cache(self._of_layers)

    def _of_layers(self, layers: int) -> KernelColumns:
        """The columns that rows with these layers may have."""
        spec: list[int] = []
        counts = []
        for size in (1, 2, 4, 8):
            chosen = [c for c in FRAME_COLUMNS if _size(c) == size and (not c.layers or layers & c.layers)]
            for column in chosen:
                place = self.places[column.column.name]
                spec += [column.field, place.at, place.mask_at]
            counts.append(len(chosen))
        return KernelColumns(np.array(spec, dtype=np.int64), tuple(counts))


class Memory:
    """What one batch is made of."""

    def __init__(self, layout: ColumnLayout) -> None:
        self.layout = layout
        self.rows = 0
        self.octets = np.zeros(layout.octets, dtype=np.uint8)
        self.words = np.zeros(layout.words, dtype=np.int64)
        self.is_there = np.zeros(layout.masks, dtype=np.uint8)

    def values(self, name: str, dtype: str) -> Values:
        """A column: its values, and which are there."""
        place, rows = self.layout.places[name], self.rows
        begin = place.at * place.size
        if place.size == 8:
            values = self.words[place.at : place.at + rows].view(dtype)
        else:
            values = self.octets[begin : begin + place.size * rows].view(dtype)
        if place.mask_at == NEVER:
            return Values(values)
        is_there = self.is_there[place.mask_at : place.mask_at + rows].view(bool)
        return Values(values, None if is_there.all() else is_there)


def _size(column: FrameColumn) -> int:
    """Octets of a value; 0 for columns that the kernel does not copy."""
    if column.how in ("mac", "address", "file"):
        return 0
    return np.dtype(KINDS[column.column.kind].dtype).itemsize if column.column.kind != "text" else _CODE_SIZE
