"""Tables as Parquet and as Arrow's streams, by pyarrow (extra `export`).

Method: one thread reads captures and makes batches, another one writes row groups; a few batches wait between them.
Parquet: texts are dictionaries, numbers that grow are differences, other numbers are plain; each is what takes pyarrow
the least time, in files that are not larger for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from queue import Queue
from threading import Event, Thread
from typing import Any, BinaryIO

from capnet.export.extras import library
from capnet.table.table import Table

ROW_GROUP = 1 << 17  # rows: some 20 MB
WAITING_BATCHES = 2
_GROWING = ("frame", "time", "flow", "first", "last", "first_frame")


def write_parquet(table: Table, file: BinaryIO) -> int:
    """Write a table into a file; how many rows there are. EnvironmentLacks without pyarrow."""
    pyarrow = library("pyarrow", "export", "Parquet")
    parquet = library("pyarrow.parquet", "export", "Parquet")
    rows = 0
    schema = pyarrow.schema(table)
    growing = {column.name for column in table.fields if column.name in _GROWING}
    texts = [column.name for column in table.fields if column.kind in ("text", "address")]
    lists = [f"{column.name}.list.element" for column in table.fields if column.kind == "texts"]
    with parquet.ParquetWriter(
        file, schema, compression="snappy", use_dictionary=texts + lists, write_statistics=sorted(growing) + texts,
        column_encoding=dict.fromkeys(growing, "DELTA_BINARY_PACKED"),
    ) as writer:  # fmt: skip
        waiting: list[Any] = []
        for batch in read_beside(pyarrow.RecordBatchReader.from_stream(table)):
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
    pyarrow = library("pyarrow", "export", "Arrow")
    rows = 0
    options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
    with pyarrow.ipc.new_stream(file, pyarrow.schema(table), options=options) as writer:
        for batch in read_beside(pyarrow.RecordBatchReader.from_stream(table)):
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def read_beside(reader: Any) -> Iterator[Any]:
    """The batches of a reader, read by another thread while the caller works on those before."""
    batches: Queue[Any] = Queue(WAITING_BATCHES)
    is_left = Event()

    def read() -> None:
        try:
            for batch in reader:
                batches.put(batch)
                if is_left.is_set():
                    return
            batches.put(None)
        except BaseException as error:  # raised again in the other thread
            batches.put(error)

    thread = Thread(target=read, daemon=True)
    thread.start()
    try:
        while (batch := batches.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            yield batch
    finally:
        is_left.set()
        while thread.is_alive():
            if not batches.empty():
                batches.get()
            thread.join(0.01)
