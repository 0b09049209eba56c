"""Batches as Python values, and as text: what CSV, JSON lines, data frames and notebooks are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from capnet.table.batch import Batch, Codes, ColumnData, Values
from capnet.table.column import DataColumn


def python_columns(batch: Batch, is_text: bool = False) -> list[list[Any]]:
    """For each column its values, None = missing. `is_text`: times and octets as ISO 8601 and hexadecimal."""
    return [_values(column, data, is_text) for column, data in zip(batch.columns, batch.data, strict=True)]


def python_column(batch: Batch, index: int) -> list[Any]:
    """The values of one column, None = missing."""
    return _values(batch.columns[index], batch.data[index], False)


def _values(column: DataColumn, data: ColumnData, is_text: bool) -> list[Any]:
    if isinstance(data, Codes):
        texts: list[Any] = [*data.texts.to_list(), None]
        return [texts[code] for code in data.codes.tolist()]
    if isinstance(data, Values):
        values: list[Any] = (special_texts(column, data) if is_text else None) or data.values.tolist()
        if data.is_there is not None:
            values = [value if is_there else None for value, is_there in zip(values, data.is_there, strict=True)]
        return values
    return data.to_list()


def special_texts(column: DataColumn, data: Values) -> list[str] | None:
    """Times as ISO 8601 and octets as hexadecimal; None for numbers."""
    if column.kind == "time":
        return [f"{time}Z" for time in np.datetime_as_string(data.values.view("M8[ns]"), unit="ns").tolist()]
    if column.kind == "octets":
        return [octets.tobytes().hex() for octets in data.values]
    return None
