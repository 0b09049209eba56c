"""A table as a data frame of pandas, without pyarrow: nullable integers, categories for texts, times in UTC."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from capnet.table.batch import Batch, Codes, ColumnData, Values, batch_of, distinct_codes
from capnet.table.column import DataColumn
from capnet.table.rows import python_columns

if TYPE_CHECKING:
    import pandas

_NULLABLE = {
    "u1": "UInt8",
    "u2": "UInt16",
    "u4": "UInt32",
    "i2": "Int16",
    "i4": "Int32",
    "i8": "Int64",
    "f8": "Float64",
    "b1": "boolean",
}


def data_frame(fields: Sequence[DataColumn], parts: Iterable[Batch]) -> pandas.DataFrame:
    """All rows of a table with these columns. ImportError if pandas is not installed."""
    import pandas

    batches = list(parts) or [batch_of(fields, ())]  # so that columns have their types without rows, too
    columns: dict[str, Any] = {}
    for number, column in enumerate(fields):
        data = [batch.data[number] for batch in batches]
        if column.kind in ("texts", "numbers"):
            values = [value for batch in batches for value in python_columns(batch)[number]]
            columns[column.name] = pandas.Series(values, dtype=object)
        else:
            columns[column.name] = _series(column, data)
    return pandas.DataFrame(columns)


def _series(column: DataColumn, parts: list[ColumnData]) -> Any:
    import pandas

    if isinstance(parts[0], Codes):
        return _categories([part for part in parts if isinstance(part, Codes)])
    numbers = [part for part in parts if isinstance(part, Values)]
    values = np.concatenate([part.values for part in numbers])
    is_there = np.concatenate([_mask(part) for part in numbers])
    if column.kind == "time":
        times = values.view("M8[ns]").copy()
        times[~is_there] = np.datetime64("NaT")
        return pandas.Series(times).dt.tz_localize("UTC")
    if column.kind == "octets":
        return pandas.Series(
            [value.tobytes() if is_value else None for value, is_value in zip(values, is_there, strict=True)]
        )
    if is_there.all():
        return pandas.Series(values)
    return pandas.Series(pandas.array(np.where(is_there, values, 0), dtype=_NULLABLE[values.dtype.str[1:]])).mask(
        ~is_there
    )


def _mask(part: Values) -> Any:
    return np.ones(len(part.values), dtype=bool) if part.is_there is None else part.is_there


def _categories(parts: list[Codes]) -> Any:
    """One list of categories for the texts of all batches, those that a row has, in their order as texts.

    pandas sorts by the order of categories, and counts those that no row has as well.
    """
    import pandas

    texts_of_parts = [part.texts.to_list() for part in parts]
    used = {
        texts[code] for texts, part in zip(texts_of_parts, parts, strict=True) for code in distinct_codes(part.codes)
    }
    number_of = {text: number for number, text in enumerate(sorted(used))}
    codes = []
    for texts, part in zip(texts_of_parts, parts, strict=True):
        numbers = [number_of.get(text, -1) for text in texts]
        codes.append(np.array([*numbers, -1], dtype=np.int64)[part.codes])
    categories = pandas.Index(list(number_of), dtype="str")
    return pandas.Series(pandas.Categorical.from_codes(np.concatenate(codes), categories=categories))
