"""Tables as Parquet and as Arrow's streams, by pyarrow (extra `export`).

Method: one thread reads captures and makes batches, from before pyarrow is loaded; another one writes row groups.
Parquet: texts are dictionaries, numbers that grow are differences, other numbers are plain; each is what takes pyarrow
the least time, in files that are not larger for it. Statistics are of growing numbers alone: those of texts double it.
"""

from __future__ import annotations

from typing import Any, BinaryIO

from capnet.export.extras import library
from capnet.export.prefetch import Prefetch
from capnet.table.table import Table

ROW_GROUP = 1 << 17  # rows: some 20 MB
_GROWING = ("frame", "time", "flow", "first", "last", "first_frame")


def write_parquet(table: Table, file: BinaryIO) -> int:
    """Write a table into a file; how many rows there are. EnvironmentLacks without pyarrow."""
    with Prefetch(table.batches()) as batches:
        pyarrow = library("pyarrow", "export", "Parquet")
        parquet = library("pyarrow.parquet", "export", "Parquet")
        reader = _reader(pyarrow, table, batches)
        growing = [column.name for column in table.fields if column.name in _GROWING]
        texts = [column.name for column in table.fields if column.kind in ("text", "address")]
        lists = [f"{column.name}.list.element" for column in table.fields if column.kind == "texts"]
        rows = 0
        with parquet.ParquetWriter(
            file, reader.schema, compression="snappy", use_dictionary=texts + lists, write_statistics=growing or False,
            column_encoding=dict.fromkeys(growing, "DELTA_BINARY_PACKED"),
        ) as writer:  # fmt: skip
            waiting: list[Any] = []
            for batch in reader:
                waiting.append(batch)
                rows += batch.num_rows
                if sum(part.num_rows for part in waiting) >= ROW_GROUP:
                    writer.write_table(pyarrow.Table.from_batches(waiting), row_group_size=ROW_GROUP)
                    waiting = []
            if waiting:
                writer.write_table(pyarrow.Table.from_batches(waiting), row_group_size=ROW_GROUP)
    return rows


def write_arrow(table: Table, file: BinaryIO) -> int:
    """Write a table as a stream of Arrow's IPC format; how many rows there are. EnvironmentLacks without pyarrow."""
    with Prefetch(table.batches()) as batches:
        pyarrow = library("pyarrow", "export", "Arrow")
        reader = _reader(pyarrow, table, batches)
        rows = 0
        options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
        with pyarrow.ipc.new_stream(file, reader.schema, options=options) as writer:
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
    return rows


def _reader(pyarrow: Any, table: Table, batches: Prefetch) -> Any:
    """The batches as pyarrow's. What reading them raises is raised as it is, not as an error of Arrow's."""
    return batches.raising(pyarrow.RecordBatchReader.from_stream(Table(table.name, table.fields, batches.__iter__)))
