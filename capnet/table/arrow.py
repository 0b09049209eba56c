"""Arrow's C data and stream interface, in memory: how pyarrow, pandas, Polars and DuckDB read tables without a copy.

Source: arrow.apache.org/docs/format/CDataInterface.html, CStreamInterface.html, CDataInterface/PyCapsuleInterface.html.
Method: ctypes structures. What a structure points to is kept in `kept`, by a number that is its `private_data`, until
its release callback is called: consumers move structures elsewhere, so their address says nothing.
Texts are dictionaries: 32-bit numbers, and the texts that they stand for. A batch may have other texts than the last.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np

from capnet.table.arrow_structs import Array, ArrowArrayStream, Schema, capsule, is_released, pointer_to
from capnet.table.batch import Batch, Codes, ColumnData, Values
from capnet.table.column import KINDS, DataColumn
from capnet.table.texts import Texts

_NULLABLE = 2  # ARROW_FLAG_NULLABLE
kept: dict[int, Any] = {}  # what a consumer has not released yet, by its number
_numbers = count(1)


def schema_capsule(columns: Sequence[DataColumn]) -> object:
    """A capsule `arrow_schema`: a structure of these columns."""
    schema = Schema()
    _fill_schema(schema, columns)
    return capsule(schema, b"arrow_schema", _release_schema)


def array_capsules(batch: Batch) -> tuple[object, object]:
    """Capsules `arrow_schema` and `arrow_array` of one batch."""
    array = Array()
    _fill_array(array, batch)
    return schema_capsule(batch.columns), capsule(array, b"arrow_array", _release_array)


def stream_capsule(columns: Sequence[DataColumn], batches: Iterator[Batch]) -> object:
    """A capsule `arrow_array_stream` of batches with these columns."""
    stream = ArrowArrayStream()
    stream.get_schema, stream.get_next = map(pointer_to, (_get_schema, _get_next))
    stream.get_last_error, stream.release = map(pointer_to, (_get_last_error, _release_stream))
    stream.private_data = _keep(_State(columns, batches))
    return capsule(stream, b"arrow_array_stream", _release_stream)


# -- schema -------------------------------------------------------------------------------------------
def _fill_schema(schema: Schema, columns: Sequence[DataColumn]) -> None:
    children = [Schema() for _ in columns]
    for child, column in zip(children, columns, strict=True):
        _fill_column_schema(child, column)
    _describe(schema, b"+s", b"", children)


def _fill_column_schema(schema: Schema, column: DataColumn) -> None:
    name, kind = column.name.encode(), KINDS[column.kind]
    if column.kind in ("text", "address"):
        texts = Schema()
        _describe(texts, b"u", b"")
        _describe(schema, b"i", name, dictionary=texts)
    elif column.kind in ("texts", "numbers"):
        item = Schema()
        _describe(item, b"u" if column.kind == "texts" else KINDS["uint16"].format.encode(), b"item")
        _describe(schema, b"+l", name, [item])
    else:
        _describe(schema, kind.format.encode(), name)


def _describe(
    schema: Schema, format_: bytes, name: bytes, children: Sequence[Schema] = (), dictionary: Schema | None = None
) -> None:
    pointers = _pointers(Schema, children)
    schema.format, schema.name, schema.flags = format_, name, _NULLABLE
    schema.n_children, schema.children = len(children), pointers
    if dictionary is not None:
        schema.dictionary = ctypes.pointer(dictionary)
    schema.release = pointer_to(_release_schema)
    schema.private_data = _keep((format_, name, children, pointers, dictionary))


# -- arrays -------------------------------------------------------------------------------------------
def _fill_array(array: Array, batch: Batch) -> None:
    children = [Array() for _ in batch.data]
    for child, data in zip(children, batch.data, strict=True):
        _fill_column(child, data, batch.rows)
    _point(array, batch.rows, [None], children=children)


def _fill_column(array: Array, data: ColumnData, rows: int) -> None:
    if isinstance(data, Values):
        values = data.values
        if values.dtype == np.bool_:
            values = np.packbits(values, bitorder="little")
        bits, missing = _validity(data.is_there)
        _point(array, rows, [bits, np.ascontiguousarray(values)], missing)
    elif isinstance(data, Codes):
        is_there = data.codes >= 0
        bits, missing = _validity(None if is_there.all() else is_there)
        texts = Array()
        _fill_texts(texts, data.texts)
        _point(array, rows, [bits, data.codes], missing, dictionary=texts)
    else:
        item = Array()
        if isinstance(data.items, Texts):
            _fill_texts(item, data.items)
        else:
            _point(item, len(data.items), [None, data.items])
        _point(array, rows, [None, data.offsets], children=[item])


def _fill_texts(array: Array, texts: Texts) -> None:
    _point(array, len(texts), [None, texts.offsets, texts.data])


def _validity(is_there: Any) -> tuple[Any, int]:
    """A bit for each row, and how many are missing."""
    if is_there is None:
        return None, 0
    return np.packbits(is_there, bitorder="little"), len(is_there) - int(np.count_nonzero(is_there))


def _point(
    array: Array,
    length: int,
    buffers: list[Any],
    missing: int = 0,
    children: Sequence[Array] = (),
    dictionary: Array | None = None,
) -> None:
    addresses = (ctypes.c_void_p * len(buffers))(
        *(None if buffer is None else buffer.__array_interface__["data"][0] for buffer in buffers)
    )
    pointers = _pointers(Array, children)
    array.length, array.null_count, array.n_buffers = length, missing, len(buffers)
    array.buffers = ctypes.cast(addresses, ctypes.POINTER(ctypes.c_void_p))
    array.n_children, array.children = len(children), pointers
    if dictionary is not None:
        array.dictionary = ctypes.pointer(dictionary)
    array.release = pointer_to(_release_array)
    array.private_data = _keep((buffers, addresses, children, pointers, dictionary))


def _pointers(kind: type[Any], children: Sequence[Any]) -> Any:
    if not children:
        return None
    return (ctypes.POINTER(kind) * len(children))(*map(ctypes.pointer, children))


# -- release ------------------------------------------------------------------------------------------
def _keep(what: Any) -> int:
    number = next(_numbers)
    kept[number] = what
    return number


def _release(pointer: Any) -> None:
    structure = pointer.contents
    for number in range(structure.n_children):
        if not is_released(structure.children[number]):
            _release(structure.children[number])
    if structure.dictionary and not is_released(structure.dictionary):
        _release(structure.dictionary)
    structure.release = None
    kept.pop(structure.private_data, None)


_release_schema = ctypes.CFUNCTYPE(None, ctypes.POINTER(Schema))(_release)
_release_array = ctypes.CFUNCTYPE(None, ctypes.POINTER(Array))(_release)


# -- stream -------------------------------------------------------------------------------------------
class _State:
    """What a stream reads from."""

    def __init__(self, columns: Sequence[DataColumn], batches: Iterator[Batch]) -> None:
        self.columns = columns
        self.batches = batches
        self.error = b""

    def attempt(self, work: Callable[[], None]) -> int:
        """0, or the error number of what `work` raised; no exception may leave a callback."""
        try:
            work()
        except BaseException as error:
            self.error = f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace")
            return errno.EIO  # EINTR would be tried again
        return 0


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ArrowArrayStream), ctypes.POINTER(Schema))
def _get_schema(stream: Any, out: Any) -> int:
    state = kept[stream.contents.private_data]
    return int(state.attempt(lambda: _fill_schema(out.contents, state.columns)))


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ArrowArrayStream), ctypes.POINTER(Array))
def _get_next(stream: Any, out: Any) -> int:
    state = kept[stream.contents.private_data]

    def fill() -> None:
        batch = next(state.batches, None)
        ctypes.memset(out, 0, ctypes.sizeof(Array))  # released: the end of the stream
        if batch is not None:
            _fill_array(out.contents, batch)

    return int(state.attempt(fill))


@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(ArrowArrayStream))
def _get_last_error(stream: Any) -> Any:
    state = kept[stream.contents.private_data]
    if not state.error:
        return None
    state.error_text = ctypes.create_string_buffer(state.error)
    return ctypes.addressof(state.error_text)


@ctypes.CFUNCTYPE(None, ctypes.POINTER(ArrowArrayStream))
def _release_stream(stream: Any) -> None:
    state = kept.pop(stream.contents.private_data, None)
    stream.contents.release = None
    close = getattr(state.batches, "close", None) if state else None
    if close:
        close()
