"""Batches: rows of a table, column by column.

A column of a batch is `Values` (numbers, times, 16 octets), `Codes` (texts by their number) or `Lists` (of texts, or of
numbers).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Annotated, Any, TypeAlias

import numpy as np

from capnet.quick_dataclass import frozen
from capnet.table.column import KINDS, DataColumn
from capnet.table.texts import Octets, Offsets, Texts, texts_of

Array: TypeAlias = Annotated[np.ndarray, "(rows,) of the dtype of the column's kind"]
Mask: TypeAlias = Annotated[np.ndarray, "(rows,) bool"]
CodeArray: TypeAlias = Annotated[np.ndarray, "(rows,) int32 numbers of texts, -1 = missing"]


@frozen
class Values:
    """Numbers. `is_there`: which are not missing; None = all."""

    values: Array
    is_there: Mask | None = None


@frozen
class Codes:
    """Texts by their number in `texts`."""

    codes: CodeArray
    texts: Texts


@frozen
class Lists:
    """List n is `offsets[n]` to `offsets[n + 1]` of `items`: texts, or numbers of 16 bits."""

    offsets: Offsets
    items: Texts | Array

    def to_list(self) -> list[list[Any]]:
        """The lists as Python has them."""
        items = self.items.to_list() if isinstance(self.items, Texts) else self.items.tolist()
        return [items[begin:end] for begin, end in pairwise(self.offsets.tolist())]


ColumnData: TypeAlias = Values | Codes | Lists


@frozen
class Batch:
    """Some rows: for each of `columns` its data, in the same order."""

    columns: Sequence[DataColumn]
    data: Sequence[ColumnData]
    rows: int


def batch_of(columns: Sequence[DataColumn], rows: Sequence[Sequence[Any]]) -> Batch:
    """A batch from rows of Python values, None for what is missing: for tables of thousands of rows."""
    by_column = list(zip(*rows, strict=True)) or [()] * len(columns)
    return Batch(columns, [_data(column, values) for column, values in zip(columns, by_column, strict=True)], len(rows))


def _data(column: DataColumn, values: Sequence[Any]) -> ColumnData:
    if column.kind in ("text", "address"):
        return codes_of(values)
    if column.kind in ("texts", "numbers"):
        offsets = np.zeros(len(values) + 1, dtype=np.int32)
        np.cumsum([len(items) for items in values], out=offsets[1:])
        items = (item for items in values for item in items)
        return Lists(offsets, texts_of(items) if column.kind == "texts" else np.fromiter(items, np.uint16))
    dtype = np.dtype(KINDS[column.kind].dtype)
    is_there = np.array([value is not None for value in values], dtype=bool)
    if not len(values):
        return Values(np.zeros(0, dtype=dtype))
    numbers = np.array([0 if value is None else value for value in values])
    return Values(numbers.astype(dtype), None if is_there.all() else is_there)


def codes_of(values: Iterable[str | None]) -> Codes:
    """Texts of Python by their number, in order of first sight."""
    number_of: dict[str, int] = {}
    codes = [-1 if text is None else number_of.setdefault(text, len(number_of)) for text in values]
    return Codes(np.array(codes, dtype=np.int32), texts_of(number_of))


def distinct_codes(codes: CodeArray) -> list[int]:
    """The numbers of the texts that some row has, in order."""
    numbers: list[int] = np.flatnonzero(np.bincount(codes + 1, minlength=1)[1:]).tolist()
    return numbers


def codes_of_list(codes: CodeArray, texts: Sequence[str]) -> Codes:
    """Texts by their number in a fixed list, without those that no row has: programs offer all texts of a column."""
    used = distinct_codes(codes)
    new = np.full(len(texts) + 1, -1, dtype=np.int32)  # the last one: missing, code -1
    new[used] = np.arange(len(used))
    return Codes(new[codes], texts_of(texts[number] for number in used))


def octets_of(high: Array, low: Array) -> Octets:
    """The 16 octets of each address, from its two signed halves."""
    octets = np.empty((len(high), 2), dtype=">i8")
    octets[:, 0], octets[:, 1] = high, low
    return octets.view("V16").reshape(-1)
