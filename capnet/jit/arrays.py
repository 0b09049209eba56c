"""Arrays as kernels take them: memory that the caller owns, with an address and a length."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import numpy as np

# Types of kernel parameters. A memoryview when interpreted, the bare address of the same array when compiled.
Int64Array: TypeAlias = Annotated[Any, "flat array of int64"]
ByteArray: TypeAlias = Annotated[Any, "flat array of bytes"]

_KINDS = {"int": "n", "Int64Array": "i", "ByteArray": "b"}  # annotation of a parameter → kind

FlatArray: TypeAlias = Annotated[np.ndarray, "(n,) int64 or uint8, contiguous"]


class Buffer(bytearray):
    """Bytes that kernels read, compiled ones as they are. It is never resized, so its address `at` stays valid."""

    kind = "b"

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.at = _address(self) if size else 0
        self.size = size

    @property
    def array(self) -> FlatArray:
        """The same memory as a numpy array."""
        return np.frombuffer(self, dtype=np.uint8)


class NativeArray:
    """An array as compiled kernels take it; it keeps the memory alive.

    `at`: address. `size`: number of elements. `kind`: i for int64, b for bytes. TypeError for any other array.
    """

    __slots__ = ("array", "at", "kind", "size")

    def __init__(self, array: FlatArray) -> None:
        if array.dtype not in (np.int64, np.uint8) or not array.flags.c_contiguous:
            raise TypeError(f"kernels index flat arrays of int64 or bytes, not {array.dtype}, {array.strides} apart")
        self.array = array
        self.at = _address(array.data) if array.size and array.flags.writeable else array.ctypes.data
        self.size = array.size
        self.kind = "i" if array.dtype == np.int64 else "b"


def parameters(function: Callable[..., Any]) -> list[tuple[str, str]]:
    """(name, kind) of each parameter: n = number, i = array of int64, b = array of bytes."""
    return [(name, _KINDS[kind]) for name, kind in function.__annotations__.items() if name != "return"]


def _address(memory: bytearray | memoryview) -> int:
    """Address of memory that is writable and not empty: four times as fast as numpy's `ctypes.data`."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
