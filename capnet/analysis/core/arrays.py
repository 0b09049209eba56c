"""Equal values, equal rows and orders of arrays, where numpy is slower. Knows nothing of packets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, TypeAlias

import numpy as np

from capnet.analysis.core.schema import Mask, Values
from capnet.quick_dataclass import frozen

Rows: TypeAlias = Annotated[np.ndarray, "(n, columns) int64"]
Hashes: TypeAlias = Annotated[np.ndarray, "(n,) uint64"]


def distinct(values: Values) -> Values:
    """The different values of an array, sorted: numpy's `unique`, which imports masked arrays first (20 ms)."""
    values = np.sort(values, axis=None)
    is_new = np.ones(len(values), dtype=bool)
    is_new[1:] = values[1:] != values[:-1]
    return values[is_new]


def is_one_of(values: Values, candidates: Iterable[int]) -> Mask:
    """Per value: is it one of a few? numpy's `isin` sorts, and imports masked arrays first."""
    mask = np.zeros(len(values), dtype=bool)
    for candidate in candidates:
        mask |= values == candidate
    return mask


def is_among(values: Values, candidates: Values) -> Mask:
    """Per value: is it one of many? Method: binary search."""
    candidates = distinct(candidates)
    if not len(candidates):
        return np.zeros(len(values), dtype=bool)
    mask: Mask = candidates[np.minimum(np.searchsorted(candidates, values), len(candidates) - 1)] == values
    return mask


def row_hash(columns: Rows) -> Hashes:
    """One number per row: equal for equal rows, and nearly never for others, which callers must tell apart."""
    return _combined(len(columns), columns.T)


def hash_of(table: Rows, columns: Sequence[int], rows: Values | None = None) -> Hashes:
    """`row_hash` of some columns of a table, and of some rows, None = all of them.

    Two to four times as fast where columns are contiguous, as those of the flow table: nothing is put side by side.
    """
    if rows is None:
        return _combined(len(table), (table[:, column] for column in columns))
    return _combined(len(rows), (table[:, column][rows] for column in columns))


def _combined(length: int, columns: Iterable[Values]) -> Hashes:
    state, shifted = np.zeros(length, dtype=np.uint64), np.empty(length, dtype=np.uint64)
    for column in columns:
        state ^= column.astype(np.uint64, copy=False) if column.itemsize != 8 else column.view(np.uint64)
        state *= np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio
        state ^= np.right_shift(state, np.uint64(29), out=shifted)
    return state


@frozen
class ByDigest:
    """Observations in order of their digests, equal ones in any order."""

    order: Values  # their indexes
    repeated: Values  # positions in `order` of those whose digest occurs more than once

    @classmethod
    def of(cls, digests: Values) -> ByDigest:
        """Sort observations with these digests."""
        digests = np.ascontiguousarray(digests)
        order = np.argsort(digests)
        return cls(order, repeated_positions(digests[order]))

    def then_by(self, digests: Values, *ties: Values) -> Values:
        """Indexes in order of the digest (of each, as given to `of`) and then of `ties`, the first one first.

        Most digests occur once: sorting by all keys takes many times longer.
        """
        order = self.order.copy()
        tied = order[self.repeated]
        order[self.repeated] = tied[np.lexsort((*(key[tied] for key in reversed(ties)), digests[tied]))]
        return order


def by_digest(digests: Values, *ties: Values) -> Values:
    """Indexes in order of the digest; of equal digests in order of `ties`, the first one first."""
    return ByDigest.of(digests).then_by(digests, *ties)


def repeated_positions(digests: Values) -> Values:
    """Of sorted digests, the indexes of those that occur more than once."""
    is_as_before = np.zeros(len(digests) + 1, dtype=bool)
    is_as_before[1:-1] = digests[1:] == digests[:-1]
    return np.flatnonzero(is_as_before[1:] | is_as_before[:-1])


def by_first_sight(rows: Rows, keys: int, first: int) -> Rows:
    """Rows by time (column `first`); at the same time by their first `keys` columns, so that the order never varies."""
    ties = (rows[:, k] for k in range(keys - 1, -1, -1))
    return rows[np.lexsort((*ties, rows[:, first]))]
