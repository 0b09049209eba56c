"""The hash tables of one pass: `kernels.hash_table` looks keys up, `HashTable` owns the arrays and makes room.

The maker of a capture chooses the keys. If the hash were known, he could make keys that all begin at one slot, and a
pass would take the square of their number. So each process draws a secret, and with it one hash of a family. For any
two keys, the probability of an equal hash is 2**-29 (Carter and Wegman 1979). No report depends on the secret: rows are
in the order in which their keys were first seen.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import numpy as np

from capnet.analysis.aggregate.kernels import hash_table as kernels
from capnet.jit.arrays import Int64Array
from capnet.jit.kernel import Machine

CACHE_LINE = 8  # numbers in a cache line
MIN_ROWS = 64  # of a new table
MIN_SLOTS = 128  # of an index: a power of two, twice MIN_ROWS

Index: TypeAlias = Annotated[np.ndarray, "(SLOTS + slots,) int64, columns of kernels.hash_table"]
Secret: TypeAlias = Annotated[np.ndarray, "(SECRETS,) int64"]
TableRows: TypeAlias = Annotated[np.ndarray, "(rows, width) int64"]


def draw_secret() -> Secret:
    """Random numbers for `key_hash`, all below 2**29: so none of its sums leaves 63 bits."""
    count = kernels.SECRETS
    secret = np.array(struct.unpack(f"={count}I", os.urandom(4 * count)), dtype=np.int64) >> 3
    secret[1] |= 1 << 28 | 1  # odd, so that multiplying loses nothing, and large, so that it stirs
    return secret


SECRET = draw_secret()


def new_index(slots: int, count: int = 0) -> Index:
    """An index of `slots` free slots, a power of two, for a table of `count` rows."""
    index = np.zeros(kernels.SLOTS + slots, dtype=np.int64)
    index[kernels.COUNT] = count
    index[kernels.MASK] = slots - 1
    index[kernels.SECRET : kernels.SLOTS] = SECRET
    return index


def slots_for(rows: int) -> int:
    """How many slots an index of so many rows has: at most half of them are taken."""
    slots = MIN_SLOTS
    while slots < 2 * rows:
        slots *= 2
    return slots


class HashTable:
    """Rows of `width` numbers; the first `keys` of them tell rows apart.

    `expected`: rows that there is room for from the start. What is not filled takes no memory.
    """

    def __init__(self, machine: Machine, width: int, keys: int, scratch: int = 0, expected: int = 0) -> None:
        self.machine = machine
        self.width = width
        self.keys = keys
        self._scratch_size = max(keys, scratch)
        self._scratch = machine.view(np.zeros(self._scratch_size, dtype=np.int64))
        self._hold(_aligned_zeros(max(expected, MIN_ROWS) * width), new_index(MIN_SLOTS))

    def _hold(self, flat: np.ndarray, index: Index) -> None:
        self.flat, self.index = flat, index
        self._room = min(len(flat) // self.width, (len(index) - kernels.SLOTS) // 2)  # rows that fit
        view = self.machine.view
        self._arguments = (view(index), view(flat), self._scratch)

    def copy(self) -> HashTable:
        """A table of the same rows, in memory of its own."""
        twin = HashTable(self.machine, self.width, self.keys, self._scratch_size)
        flat = _aligned_zeros(len(self.flat))
        filled = self.count * self.width
        flat[:filled] = self.flat[:filled]
        twin._hold(flat, self.index.copy())
        return twin

    @property
    def count(self) -> int:
        """How many rows there are."""
        return int(self.index[kernels.COUNT])

    @property
    def rows(self) -> TableRows:
        """The filled part of the table."""
        count = self.count
        return self.flat[: count * self.width].reshape(count, self.width)

    def arguments(self) -> tuple[Int64Array, Int64Array, Int64Array]:
        """What a kernel needs to look keys up and add rows: index, rows, scratch space."""
        return self._arguments

    def reserve(self, more: int) -> None:
        """Make room for `more` new rows."""
        need = self.count + more
        if need <= self._room:
            return
        if need * self.width > len(self.flat):
            capacity = max(need, 2 * (len(self.flat) // self.width))
            grown = _aligned_zeros(capacity * self.width)
            filled = self.count * self.width
            grown[:filled] = self.flat[:filled]
            self._hold(grown, self.index)
        slots = slots_for(need)
        if slots > self.index[kernels.MASK] + 1:
            self._hold(self.flat, new_index(slots, self.count))
            index, rows, _ = self._arguments
            self.machine.run(kernels.reindex)(index, rows, self.width, self.keys)

    def add(self, rows: TableRows, add_rows: Callable[..., Any]) -> None:
        """Sum up rows of the same width in this table, by the kernel `add_rows`."""
        self.reserve(len(rows))
        flat = np.ascontiguousarray(rows).reshape(-1)
        add_rows(self.machine.view(flat), len(rows), *self.arguments())


def _aligned_zeros(length: int) -> np.ndarray:
    """Zeros that begin on a cache line, so that a row of whole lines never touches one more."""
    space = np.zeros(length + CACHE_LINE, dtype=np.int64)
    skip = -(space.ctypes.data // 8) % CACHE_LINE
    return space[skip : skip + length]
