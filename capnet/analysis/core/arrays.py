"""Equal values, equal rows and orders of arrays, where numpy is slower. Knows nothing of packets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, TypeAlias

import numpy as np

from capnet.analysis.core.schema import Mask, Values
from capnet.quick_dataclass import frozen

MIN_HASHED = 1024  # values to look for: of fewer, sorting takes less time
MIN_ROWS_SORTED = 64  # of fewer, a dictionary takes less time

_GOLDEN_RATIO = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by it
_HASH_SHIFT = np.uint64(29)

Rows: TypeAlias = Annotated[np.ndarray, "(n, columns) int64"]
Hashes: TypeAlias = Annotated[np.ndarray, "(n,) uint64"]


def distinct(values: Values) -> Values:
    """The different values of an array, sorted: numpy's `unique`, which imports masked arrays first (20 ms)."""
    values = np.sort(values, axis=None)
    if len(values) < 2:
        return values
    is_new = np.ones(len(values), dtype=bool)
    is_new[1:] = values[1:] != values[:-1]
    return values[is_new]


def distinct_rows(rows: Rows) -> Rows:
    """The different rows, sorted by their first column, then by the next ones."""
    rows = rows[np.lexsort(rows.T[::-1])]
    is_new = np.ones(len(rows), dtype=bool)
    is_new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return rows[is_new]


def numbered(values: Values) -> tuple[Values, Values]:
    """The different values, sorted, and for each value which of them it is: numpy's `unique`, which sorts all of them.

    Quicker where many values are few different ones.
    """
    first = first_equal(values, values)
    rows = np.flatnonzero(first == np.arange(len(values)))
    rows = rows[np.argsort(values[rows])]
    numbers = np.empty(len(values), dtype=np.int64)
    numbers[rows] = np.arange(len(rows))
    return values[rows], numbers[first]


def repeated(values: Values) -> Values:
    """The different values that occur more than once, sorted."""
    ordered = np.sort(values)
    return distinct(ordered[1:][ordered[1:] == ordered[:-1]])


def are_repeated(values: Values) -> Mask:
    """Per value: does it occur more than once?"""
    return is_among(values, repeated(values))


def is_one_of(values: Values, candidates: Iterable[int]) -> Mask:
    """Per value: is it one of a few? numpy's `isin` sorts, and imports masked arrays first."""
    mask = np.zeros(len(values), dtype=bool)
    for candidate in candidates:
        mask |= values == candidate
    return mask


def is_among(values: Values, candidates: Values) -> Mask:
    """Per value: is it one of many?"""
    mask: Mask = first_equal(candidates, values) >= 0
    return mask


def first_equal(keys: Values, wanted: Values, rounds: int = 2) -> Values:
    """Per wanted value: the index of the first key that is equal to it, -1 if there is none. Both are integers.

    Method: a table of the first key with each hash. Keys whose hash an earlier one has are looked for in another round,
    and after the last one by binary search: many may have one hash.
    """
    if len(wanted) < MIN_HASHED <= len(keys):
        usable = np.flatnonzero(first_equal(wanted, keys) >= 0)
        position = _first_equal_sorted(keys[usable], wanted)
        return np.where(position >= 0, usable[position], -1) if len(usable) else position
    if not len(keys) or len(wanted) < MIN_HASHED or not rounds:
        return _first_equal_sorted(keys, wanted)
    bits = len(keys).bit_length() + 1  # half of the slots stay empty, or more
    key_slots, slots = hash_slots(keys, bits), hash_slots(wanted, bits)
    first = np.zeros(1 << bits, dtype=np.int32)  # an empty slot leads to key 0, which tells that it is another one
    first[key_slots[::-1]] = np.arange(len(keys), dtype=np.int32)[::-1]
    index = first[slots]
    is_equal = keys[index] == wanted
    result: Values = np.where(is_equal, index, -1)
    late = np.flatnonzero(keys[first[key_slots]] != keys)
    if len(late):
        has_late = np.zeros(1 << bits, dtype=bool)
        has_late[key_slots[late]] = True
        rest = np.flatnonzero(has_late[slots] & ~is_equal)
        position = first_equal(keys[late], wanted[rest], rounds - 1)
        result[rest] = np.where(position >= 0, late[position], -1)
    return result


def hash_slots(values: Values, bits: int) -> Values:
    """A hash of so many bits for each value."""
    mixed = values.view(np.uint64) * _GOLDEN_RATIO
    mixed >>= np.uint64(64 - bits)
    slots: Values = mixed.view(np.int64)
    return slots


def _first_equal_sorted(keys: Values, wanted: Values) -> Values:
    if not len(keys):
        return np.full(len(wanted), -1)
    if len(keys) + len(wanted) < MIN_ROWS_SORTED:
        first = {key: index for index, key in reversed(list(enumerate(keys.tolist())))}
        return np.array([first.get(value, -1) for value in wanted.tolist()], dtype=np.int64)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    position = np.minimum(np.searchsorted(ordered, wanted), len(keys) - 1)
    result: Values = np.where(ordered[position] == wanted, order[position], -1)
    return result


def row_hash(columns: Rows) -> Hashes:
    """One number per row: equal for equal rows, and nearly never for others, which callers must tell apart."""
    return combined_hash(list(columns.T))


def hash_of(table: Rows, columns: Sequence[int], rows: Values | None = None) -> Hashes:
    """`row_hash` of some columns of a table, and of some rows, None = all of them.

    Two to four times as fast where columns are contiguous, as those of the flow table: nothing is put side by side.
    """
    return combined_hash([table[:, column] if rows is None else table[:, column][rows] for column in columns])


def combined_hash(columns: Sequence[Values]) -> Hashes:
    """As `row_hash`, of single columns, of which there is one at least.

    The shift brings high bits down before the next column: addresses of two networks often differ in these alone, and
    a sum of products would have few bits left for them.
    """
    state, shifted = np.zeros(len(columns[0]), dtype=np.uint64), np.empty(len(columns[0]), dtype=np.uint64)
    for column in columns:
        state ^= column.view(np.uint64) if column.itemsize == 8 else column.astype(np.uint64)
        state *= _GOLDEN_RATIO
        state ^= np.right_shift(state, _HASH_SHIFT, out=shifted)
    return state


def equal_rows(columns: Sequence[Values]) -> Values:
    """For each row of these columns the index of the first row that is equal to it."""
    if len(columns[0]) < MIN_ROWS_SORTED:
        seen: dict[tuple[int, ...], int] = {}
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return np.array([seen.setdefault(row, number) for number, row in enumerate(rows)], dtype=np.int64)
    hashes = combined_hash(columns)
    order = np.argsort(hashes, kind="stable")
    is_equal = _are_as_before(columns, order)
    ordered = hashes[order]
    if (~is_equal[1:] & (ordered[1:] == ordered[:-1])).any():  # other rows have the same hash: by all columns, then
        order = np.lexsort(tuple(columns))
        is_equal = _are_as_before(columns, order)
    starts = np.flatnonzero(~is_equal)
    first = np.empty(len(order), dtype=np.int64)
    first[order] = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
    return first


def _are_as_before(columns: Sequence[Values], order: Values) -> Mask:
    """For each row in this order: is it equal to the one before?"""
    is_equal = np.ones(len(order), dtype=bool)
    is_equal[:1] = False
    for column in columns:
        ordered = column[order]
        is_equal[1:] &= ordered[1:] == ordered[:-1]
    return is_equal


@frozen
class ByDigest:
    """Observations in order of their digests, equal ones in the order in which they were."""

    order: Values  # their indexes
    repeated: Values  # positions in `order` of those whose digest occurs more than once

    @classmethod
    def of(cls, digests: Values) -> ByDigest:
        """Sort observations with these digests."""
        digests = np.ascontiguousarray(digests)
        order = np.argsort(digests, kind="stable")
        return cls(order, repeated_positions(digests[order]))

    def then_by(self, digests: Values, *ties: Values) -> Values:
        """Indexes in order of the digest (of each, as given to `of`) and then of `ties`, the first one first.

        Most digests occur once, or in this order: sorting by all keys takes many times longer.
        """
        order = self.order.copy()
        tied = order[self.repeated]
        order[self.repeated] = tied[order_in_groups(digests[tied], *(key[tied] for key in ties))]
        return order


def order_in_groups(groups: Values, *keys: Values) -> Values:
    """Indexes that leave each group where it is and order it by `keys`, the first one first; equal entries stay so.

    `groups`: equal for the entries of a group, which follow each other. Only groups that are out of order are sorted.
    """
    is_late = np.zeros(max(len(groups) - 1, 0), dtype=bool)
    for key in reversed(keys):
        is_late = (key[1:] < key[:-1]) | (is_late & (key[1:] == key[:-1]))
    is_same = groups[1:] == groups[:-1]
    is_late &= is_same
    order = np.arange(len(groups))
    if is_late.any():
        number = np.zeros(len(groups), dtype=np.int64)
        np.cumsum(~is_same, out=number[1:])
        is_unordered = np.zeros(int(number[-1]) + 1, dtype=bool)
        is_unordered[number[1:][is_late]] = True
        rows = np.flatnonzero(is_unordered[number])
        order[rows] = rows[np.lexsort((*(key[rows] for key in reversed(keys)), number[rows]))]
    return order


def sorted_in_groups(groups: Values, values: Values) -> Values:
    """The values, those of group 0 first, in each group the lowest first; groups are numbers from 0."""
    if not len(values):
        return values
    lowest, bits = int(values.min()), (int(values.max()) - int(values.min())).bit_length()
    if int(groups.max()).bit_length() + bits > 63:
        return values[np.lexsort((values, groups))]
    keys = groups << bits
    keys |= values - lowest
    keys.sort()  # of one array, in half of the time that its order takes
    keys &= (1 << bits) - 1
    keys += lowest
    return keys


def first_of_groups(groups: Values, values: Values, count: int) -> Values:
    """For each of `count` groups, none of them empty, the index of its lowest value, the first one of equal ones."""
    lowest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(lowest, groups, values)
    rows = np.flatnonzero(values == lowest[groups])[::-1]
    first = np.zeros(count, dtype=np.int64)
    first[groups[rows]] = rows
    return first


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
