"""The tables of one pass: hash tables that kernels fill, a block of rows at a time.

A table is a flat int64 array of rows (key columns first) and an open-addressing index of row numbers. Space for a
whole block of new keys is made before a kernel runs, so that kernels never have to stop and ask.

Keys are what packets say, so whoever makes a capture chooses them. With a hash that everyone knows, keys can be made
that all begin at one slot, and a pass takes the square of their number. So the hash is drawn anew by each process, out
of a family (multilinear: a sum of products with secret factors) in which two keys, whatever they are, have the
same hash with a probability of 2**-29 (Carter and Wegman 1979). Nothing that is reported depends on it: rows are in
the order in which their keys were first seen.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from capnet.jit.inline import inline
from capnet.jit.kernel import Machine, kernel
from capnet.wire.octets import HALF

LINE = 8  # numbers in a cache line
TAG_SHIFT = 32  # of a hash of 62 bits, those in an index from here on; below are the row numbers, from 1
TAG_MASK = (1 << TAG_SHIFT) - 1

HASH_MASK = (1 << 62) - 1
WORD_HALF = (1 << 32) - 1
MOST_KEYS = 12
SECRETS = 2 + 2 * MOST_KEYS  # where a hash begins, its last factor, and two factors for each number of a key


def draw_secret() -> np.ndarray:
    """The numbers that make a hash one of many, SECRETS of them, below 2**29: so no sum below leaves 63 bits."""
    numbers = np.array(struct.unpack(f"={SECRETS}I", os.urandom(4 * SECRETS)), dtype=np.int64) >> 3
    numbers[1] |= 1 << 28 | 1  # odd, so that multiplying loses nothing, and large, so that it stirs
    return numbers


SECRET = draw_secret()


def new_index(slots: int) -> np.ndarray:
    """An empty index of `slots` slots, a power of two; behind them the secret, so that who has one has the other."""
    return np.concatenate([np.zeros(slots, dtype=np.int64), SECRET])


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
        self._have(aligned(64 * width), new_index(128))

    def _have(self, flat: np.ndarray, index: np.ndarray) -> None:
        self.flat, self.index = flat, index
        view = self.machine.view
        self._arguments = (view(index), len(index) - SECRETS - 1, view(flat), view(self.scratch))

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
        fresh = slots != len(self.index) - SECRETS
        self._have(grown, new_index(slots) if fresh else self.index)
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
def key_hash(table: Any, at: int, keys: int, secret: Any, secret_at: int) -> int:
    """Hash of `keys` numbers, 62 bits, by the secret at `secret[secret_at:]`."""
    state = secret[secret_at]
    factor = secret_at + 2
    for k in range(at, at + keys):
        low, high = table[k] & WORD_HALF, (table[k] >> 32) & WORD_HALF
        state = (state + low * secret[factor] + high * secret[factor + 1]) & HASH_MASK
        factor += 2
    # Different sums have different hashes, but all bits of a sum decide about each bit of a hash, or nearly so.
    last = secret[secret_at + 1]
    state ^= state >> 31
    state = ((state & HALF) * last + ((((state >> 31) * last) & HALF) << 31)) & HASH_MASK  # their product modulo 2**62
    return state ^ (state >> 31)


@inline
def lookup(index: Any, mask: int, table: Any, width: int, keys: int, key: Any) -> int:
    """Row of `key`, or -1 - slot where its row number belongs."""
    return lookup_hashed(index, mask, table, width, keys, key, 0, key_hash(key, 0, keys, index, mask + 1))


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
def insert(index: Any, mask: int, missing: int, table: Any, width: int, keys: int, key: Any, count: int) -> int:
    """Add `key`, which `lookup` did not find, as row `count`; returns that row."""
    hashed = key_hash(key, 0, keys, index, mask + 1)
    return insert_hashed(index, missing, table, width, keys, key, 0, hashed, count)


@inline
def insert_hashed(
    index: Any, missing: int, table: Any, width: int, keys: int, key: Any, key_at: int, hashed: int, count: int
) -> int:
    """As `insert`, for the key at `key_at` whose hash is known."""
    index[-1 - missing] = entry_for(count, hashed)
    at = count * width
    for k in range(keys):
        table[at + k] = key[key_at + k]
    return count


@kernel
def reindex(index: Any, mask: int, table: Any, width: int, keys: int, count: int) -> None:
    """Fill an empty index (see `new_index`) with the rows of a table."""
    for row in range(count):
        hashed = key_hash(table, row * width, keys, index, mask + 1)
        slot = hashed & mask
        while index[slot] != 0:
            slot = (slot + 1) & mask
        index[slot] = entry_for(row, hashed)
