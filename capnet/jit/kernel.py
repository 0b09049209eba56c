"""Runs hot functions ("kernels") interpreted or compiled: one source, the same results.

A small capture must not wait for a compiler, and a large one must not wait for an interpreter. So kernels are written
in the part of Python that means the same in both: flat arrays, neither sliced nor asked for their length; `int`
arithmetic within the signed 64-bit range; no objects, no exceptions. The arrays of one call never overlap.

Interpreted, kernels get `memoryview`s, which are three times faster to index than numpy arrays. Compiled, they get the
addresses of the same arrays. Parameters are annotated `int` (int64), `Int64Array` or `ByteArray`.

`@kernel` marks a function that is called from outside, `@inline` one that kernels call. Machine code comes with capnet
or is kept on disk (`store`): numba takes longer to import than the first gigabyte takes to decode.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cached_property
from threading import Lock
from typing import Any, Generic

import numpy as np

from capnet.jit.arrays import Buffer, FlatArray, NativeArray
from capnet.jit.inline import F
from capnet.jit.key import key
from capnet.jit.store import DIRECT, Store, platform
from capnet.jit.switches import is_set

_compiling = Lock()


class Kernel(Generic[F]):
    """A hot function with two bodies: `interpreted` (as written) and `compiled` (machine code, GIL released)."""

    def __init__(self, function: F) -> None:
        self.interpreted: F = function
        self._compiled: F | None = None

    @property
    def compiled(self) -> F:
        """Machine code; it is loaded, or made, at the first call."""
        return self._compiled or self._first_call  # type: ignore[return-value]

    def _first_call(self, *arguments: Any) -> Any:
        with _compiling:
            if self._compiled is None:
                from capnet.jit.native import compiled

                self._compiled = compiled(self.interpreted, self.store)
        return self._compiled(*arguments)

    @cached_property
    def store(self) -> Store:
        """Where its machine code is kept."""
        function = self.interpreted
        module = function.__module__.removeprefix("capnet.")
        return Store(f"{module}.{function.__qualname__}", key(function))

    def is_cached(self) -> bool:
        """Whether nothing is left to compile."""
        return self.store.is_kept()

    def is_loaded_directly(self) -> bool:
        """Whether its machine code comes with capnet, and is loaded without LLVM: in a millisecond."""
        return not is_set("NUMBA_BOUNDSCHECK") and platform() == DIRECT and self.store.is_shipped()


def kernel(function: F) -> Kernel[F]:
    """Mark a hot function that is called from outside, through a `Machine`."""
    return Kernel(function)


class Machine:
    """Where kernels run: `Machine(compiled=False)` interprets, `Machine(compiled=True)` compiles.

    If NUMBA_DISABLE_JIT is set, nothing is compiled: slow, but it shows whether a problem is the compiler's.
    """

    def __init__(self, compiled: bool) -> None:
        self.compiled = compiled and not is_set("NUMBA_DISABLE_JIT")

    def view(self, array: FlatArray) -> Any:
        """A numpy array as this machine's kernels index it."""
        return NativeArray(array) if self.compiled else memoryview(array)  # type: ignore[arg-type]

    def bytes(self, buffer: bytearray | memoryview) -> Any:
        """As `view`, for a buffer of bytes."""
        if not self.compiled or isinstance(buffer, Buffer):
            return buffer
        return NativeArray(np.frombuffer(buffer, dtype=np.uint8))

    def run(self, function: Kernel[Any]) -> Callable[..., Any]:
        """The body of a kernel that this machine runs, to be called."""
        return function.compiled if self.compiled else function.interpreted


def release_memory() -> None:
    """Give back memory that only loading of compiled kernels needs."""
    if native := sys.modules.get("capnet.jit.native"):
        native.release_memory()
