"""A table: columns with names and types, and batches of rows that are made when they are asked for.

table = capture.frames()
table.columns, table.dtypes             # names; name → type
pyarrow.table(table)                    # also polars.DataFrame(table), duckdb.sql("from table")
table.to_pandas()
table["src"]                            # one column as a list
for row in table: row["src"]            # dictionaries, one at a time
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from capnet.table.batch import Batch
from capnet.table.column import KINDS, DataColumn

if TYPE_CHECKING:
    import pandas
    import pyarrow

MAX_SHOWN = 20  # rows in a notebook


class Table:
    """`batches`: a function that makes all batches; it is called each time that the table is read.

    `rows`: how many rows there are, None if that is known after reading only. `is_read_once`: a second reading fails.
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[DataColumn],
        batches: Callable[[], Iterator[Batch]],
        rows: int | None = None,
        *,
        is_read_once: bool = False,
    ) -> None:
        self.name = name
        self.fields = tuple(columns)
        self.batches = batches
        self._rows = rows
        self._is_read_once = is_read_once

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.fields]

    @property
    def dtypes(self) -> dict[str, str]:
        """Name of the column → its type."""
        return {column.name: KINDS[column.kind].type for column in self.fields}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Rows as dictionaries; None is a missing value, times are ns since 1970."""
        from capnet.table.rows import python_columns

        names = self.columns
        for batch in self.batches():
            for values in zip(*python_columns(batch), strict=True):
                yield dict(zip(names, values, strict=True))

    def __getitem__(self, name: str) -> list[Any]:
        """One column as a list, as rows have it. KeyError, which lists the columns, if there is no such column."""
        from capnet.table.rows import python_column

        names = self.columns
        if name not in names:
            raise KeyError(f"no column {name!r}: the columns are {', '.join(names)}")
        index = names.index(name)
        return [value for batch in self.batches() for value in python_column(batch, index)]

    def _ipython_key_completions_(self) -> list[str]:
        return self.columns

    # -- other programs --------------------------------------------------------------------------------
    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """All rows, for programs that read Arrow's C stream interface."""
        from capnet.table.arrow import stream_capsule

        return stream_capsule(self.fields, self.batches())

    def __arrow_c_schema__(self) -> object:
        """The columns, for such programs."""
        from capnet.table.arrow import schema_capsule

        return schema_capsule(self.fields)

    def to_arrow(self) -> pyarrow.Table:
        """All rows as a table of pyarrow, which must be installed."""
        import pyarrow

        return pyarrow.table(self)

    def to_pandas(self) -> pandas.DataFrame:
        """All rows as a data frame of pandas, which must be installed; pyarrow need not be."""
        from capnet.table.frame import data_frame

        return data_frame(self.fields, self.batches())

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"the table {self.name} is read when it is asked for, and cannot be pickled: hand over capnet.tables(FILE) "
            "as a whole, or what to_arrow() or to_pandas() return"
        )

    # -- people -----------------------------------------------------------------------------------------
    def __repr__(self) -> str:
        rows = "" if self._rows is None else f" of {self._rows} rows"
        return f"<capnet table {self.name}{rows}; columns: {', '.join(self.columns)}>"

    def _repr_html_(self) -> str:
        """The first rows, for notebooks; of a table that is read once the columns, so that it can still be read."""
        from capnet.table.html import html_table

        return html_table(self.name, self.columns, None if self._is_read_once else self.batches(), MAX_SHOWN)
