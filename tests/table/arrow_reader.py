"""Reads Arrow's C stream interface with ctypes alone, apart from capnet's own writer and of pyarrow.

Source: arrow.apache.org/docs/format/CDataInterface.html. It knows the formats that capnet writes.
"""

from __future__ import annotations

import ctypes
import struct
from itertools import pairwise
from typing import Any

POINTER, CALL = ctypes.c_void_p, ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
ERROR = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)
SCHEMA, ARRAY = struct.Struct("PPPqqPPPP"), struct.Struct("qqqqqPPPPP")
NUMBERS = {"C": "B", "S": "H", "s": "h", "I": "I", "i": "i", "l": "q", "g": "d", "tsn:UTC": "q"}


def _read(address: int, layout: struct.Struct) -> tuple[Any, ...]:
    return layout.unpack(ctypes.string_at(address, layout.size))


def _pointers(address: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"{count}P", ctypes.string_at(address, 8 * count)) if count else ()


class StreamError(Exception):
    """What the stream says went wrong."""


class ArrowStream:
    """The columns and the rows of a capsule `arrow_array_stream`, which is taken from it."""

    def __init__(self, capsule: object) -> None:
        get = ctypes.pythonapi.PyCapsule_GetPointer
        get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        self._capsule = capsule  # what it points to lives as long
        self._stream = get(capsule, b"arrow_array_stream")
        self._calls = _pointers(self._stream, 4)
        schema = ctypes.create_string_buffer(SCHEMA.size)
        self._call(0, schema)
        self.formats = _column_formats(ctypes.addressof(schema))
        self.schema = schema

    def rows(self) -> list[dict[str, Any]]:
        """All rows, None for missing values."""
        rows: list[dict[str, Any]] = []
        while True:
            array = ctypes.create_string_buffer(ARRAY.size)
            self._call(1, array)
            address = ctypes.addressof(array)
            length, *_, release, _ = _read(address, ARRAY)
            if not release:
                return rows
            children = _pointers(_read(address, ARRAY)[6], _read(address, ARRAY)[4])
            columns = [_values(child, form) for child, form in zip(children, self.formats.values(), strict=True)]
            assert all(len(column) == length for column in columns)
            rows += [dict(zip(self.formats, values, strict=True)) for values in zip(*columns, strict=True)]
            RELEASE(release)(address)
            assert _read(address, ARRAY)[8] == 0, "a structure that is released says so"

    def close(self) -> None:
        """Release the schema and the stream."""
        RELEASE(_read(ctypes.addressof(self.schema), SCHEMA)[7])(ctypes.addressof(self.schema))
        RELEASE(self._calls[3])(self._stream)

    def _call(self, number: int, out: Any) -> None:
        if CALL(self._calls[number])(self._stream, ctypes.addressof(out)):
            raise StreamError((ERROR(self._calls[2])(self._stream) or b"").decode())


def _column_formats(address: int) -> dict[str, tuple[str, str]]:
    """Name → (format, format of its dictionary or item)."""
    formats = {}
    _, _, _, _, count, children, *_ = _read(address, SCHEMA)
    for child in _pointers(children, count):
        form, name, _, _, items, inside, dictionary, _, _ = _read(child, SCHEMA)
        other = dictionary or (_pointers(inside, items)[0] if items else 0)
        inner = ctypes.string_at(_read(other, SCHEMA)[0]).decode() if other else ""
        formats[ctypes.string_at(name).decode()] = (ctypes.string_at(form).decode(), inner)
    return formats


def _values(address: int, form: tuple[str, str]) -> list[Any]:
    length, missing, offset, _, count, buffers, children, dictionary, _, _ = _read(address, ARRAY)
    assert offset == 0
    kind, _ = form
    bits, data = _pointers(buffers, 2)
    values: list[Any]
    if kind == "b":
        octets = ctypes.string_at(data, (length + 7) // 8)
        values = [bool(octets[n >> 3] >> (n & 7) & 1) for n in range(length)]
    elif kind == "w:16":
        values = [ctypes.string_at(data + 16 * n, 16) for n in range(length)]
    elif kind == "+l":
        offsets = struct.unpack(f"{length + 1}i", ctypes.string_at(data, 4 * (length + 1)))
        child = _pointers(children, count)[0]
        items: list[Any] = _texts(child) if form[1] == "u" else _values(child, (form[1], ""))
        values = [items[begin:end] for begin, end in pairwise(offsets)]
    else:
        code = NUMBERS[kind]
        values = list(struct.unpack(f"={length}{code}", ctypes.string_at(data, length * struct.calcsize(code))))
    if bits:
        mask = ctypes.string_at(bits, (length + 7) // 8)
        values = [value if mask[n >> 3] >> (n & 7) & 1 else None for n, value in enumerate(values)]
    assert sum(value is None for value in values) == missing
    if dictionary:
        texts = _texts(dictionary)
        values = [None if value is None else texts[value] for value in values]
    return values


def _texts(address: int) -> list[str]:
    length, _, _, _, _, buffers, *_ = _read(address, ARRAY)
    _, offsets_at, data = _pointers(buffers, 3)
    offsets = struct.unpack(f"{length + 1}i", ctypes.string_at(offsets_at, 4 * (length + 1)))
    raw = ctypes.string_at(data, offsets[-1]) if offsets[-1] else b""
    return [raw[begin:end].decode() for begin, end in pairwise(offsets)]
