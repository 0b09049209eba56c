"""The tables of one pass: hash tables that kernels fill, a block of rows at a time.

A table is a flat int64 array of rows (key columns first) and an open-addressing index of row numbers. Space for a
whole block of new keys is made before a kernel runs, so that kernels never have to stop and ask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from capnet.wire.kernel import Machine, inline, kernel
from capnet.wire.octets import mix

LINE = 8  # numbers in a cache line
TAG_SHIFT = 32  # of a hash of 62 bits, those in an index from here on; below are the row numbers, from 1
TAG_MASK = (1 << TAG_SHIFT) - 1


def aligned(length: int) -> np.ndarray:
    """Zeros that begin on a cache line, so that a row of whole lines never touches one more."""
    space = np.zeros(length + LINE, dtype=np.int64)
    skip = -(space.ctypes.data // 8) % LINE
    return space[skip : skip + length]


class Table:
    """`count` rows of `width` numbers; the first `keys` of them tell rows apart."""

    def __init__(self, machine: Machine, width: int, keys: int, scratch: int = 0) -> None:
        self.machine = machine
        self.width = width
        self.keys = keys
        self.count = 0
        self.scratch = np.zeros(max(keys, scratch), dtype=np.int64)
        self._have(aligned(64 * width), np.zeros(128, dtype=np.int64))

    def _have(self, flat: np.ndarray, index: np.ndarray) -> None:
        self.flat, self.index = flat, index
        view = self.machine.view
        self._arguments = (view(index), len(index) - 1, view(flat), view(self.scratch))

    @property
    def rows(self) -> np.ndarray:
        """The filled part, shape (count, width)."""
        return self.flat[: self.count * self.width].reshape(self.count, self.width)

    def reserve(self, more: int) -> None:
        """Make room for `more` new rows."""
        need = self.count + more
        if need * self.width <= len(self.flat):
            return
        capacity = max(need, 2 * (len(self.flat) // self.width))
        grown = aligned(capacity * self.width)
        grown[: self.count * self.width] = self.flat[: self.count * self.width]
        slots = 128
        while slots < 2 * capacity:
            slots *= 2
        fresh = slots != len(self.index)
        self._have(grown, np.zeros(slots, dtype=np.int64) if fresh else self.index)
        if fresh:
            index, mask, rows, _ = self._arguments
            self.machine.run(reindex)(index, mask, rows, self.width, self.keys, self.count)

    def add(self, rows: np.ndarray, adding: Callable[..., int]) -> None:
        """Sum up rows of the same shape in this table, by the kernel `adding`."""
        self.reserve(len(rows))
        flat = np.ascontiguousarray(rows).reshape(-1)
        self.count = adding(self.machine.view(flat), len(rows), *self.arguments(), self.count)

    def arguments(self) -> tuple[Any, int, Any, Any]:
        """What a kernel needs to look keys up and add rows: index, mask, rows, scratch space."""
        return self._arguments


@inline
def key_hash(table: Any, at: int, keys: int) -> int:
    """Hash of `keys` numbers, in two chains: a step waits for the one before, so that two can overlap."""
    even, odd = 0x2F0B4C47, 0x51ED2701
    k = 0
    while k + 1 < keys:
        even = mix(even, table[at + k])
        odd = mix(odd, table[at + k + 1])
        k += 2
    if k < keys:
        even = mix(even, table[at + k])
    return mix(even, odd)


@inline
def lookup(index: Any, mask: int, table: Any, width: int, keys: int, key: Any) -> int:
    """Row of `key`, or -1 - slot where its row number belongs."""
    return lookup_hashed(index, mask, table, width, keys, key, 0, key_hash(key, 0, keys))


@inline
def lookup_hashed(index: Any, mask: int, table: Any, width: int, keys: int, key: Any, key_at: int, hashed: int) -> int:
    """As `lookup`, for the key at `key_at` whose hash is known."""
    slot = hashed & mask
    tag = hashed >> TAG_SHIFT
    while index[slot] != 0:
        if index[slot] >> TAG_SHIFT == tag:
            row = row_of(index[slot])
            at = row * width
            k = 0
            while k < keys and table[at + k] == key[key_at + k]:
                k += 1
            if k == keys:
                return row
        slot = (slot + 1) & mask
    return -1 - slot


@inline
def row_of(entry: int) -> int:
    """The row that an entry of an index is about."""
    return (entry & TAG_MASK) - 1


@inline
def entry_for(row: int, hashed: int) -> int:
    """What the index says of a row: its number and half of its hash, so that few rows are looked at in vain."""
    return ((hashed >> TAG_SHIFT) << TAG_SHIFT) | (row + 1)


@inline
def insert(index: Any, missing: int, table: Any, width: int, keys: int, key: Any, key_at: int, count: int) -> int:
    """Add the key at `key_at`, which `lookup` did not find, as row `count`; returns that row."""
    index[-1 - missing] = entry_for(count, key_hash(key, key_at, keys))
    at = count * width
    for k in range(keys):
        table[at + k] = key[key_at + k]
    return count


@kernel
def reindex(index: Any, mask: int, table: Any, width: int, keys: int, count: int) -> None:
    """Fill an empty index with the rows of a table."""
    for row in range(count):
        hashed = key_hash(table, row * width, keys)
        slot = hashed & mask
        while index[slot] != 0:
            slot = (slot + 1) & mask
        index[slot] = entry_for(row, hashed)
