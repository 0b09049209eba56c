"""Runs hot functions ("kernels") interpreted or compiled: one source, the same results.

A small capture must not wait for a compiler, and a large one must not wait for an interpreter. So kernels are written
in the part of Python that means the same in both: flat arrays, neither sliced nor asked for their length; `int`
arithmetic within the signed 64-bit range; no objects, no exceptions. The arrays of one call never overlap.

Interpreted, kernels get `memoryview`s, which are three times faster to index than numpy arrays. Compiled, they get the
addresses of the same arrays. Parameters are annotated `int` (int64), `Int64Array` or `ByteArray`.

`@kernel` marks a function that is called from outside, `@inline` one that kernels call. Machine code is kept on disk
(`native`): numba takes longer to import than the first gigabyte takes to decode. The name of its file covers all that
is compiled in: the kernel's code, that of every function it calls, and the numbers of other modules.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from types import CodeType, FunctionType, ModuleType
from typing import Any, Generic

import numpy as np

from capnet.jit.arrays import Buffer, FlatArray, NativeArray
from capnet.jit.inline import F, is_inline
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

                kinds = "".join(value.kind if isinstance(value, NativeArray) else "n" for value in arguments)
                self._compiled = compiled(self.interpreted, self.cache_file(), kinds)
        return self._compiled(*arguments)

    def cache_file(self) -> Path | None:
        """Where its machine code is kept, None if nowhere; `native` adds to the name what depends on the processor."""
        folder = cache_folder()
        if folder is None:
            return None
        import hashlib  # takes longer to import than a small capture to decode

        key = hashlib.sha256(sys.version.encode())
        _describe(self.interpreted, key.update, set())
        return folder / f"{self.interpreted.__name__}-{key.hexdigest()[:16]}"

    def is_cached(self) -> bool:
        """Whether its machine code is on disk already."""
        file = self.cache_file()
        if file is None:
            return False
        try:
            return any(file.parent.glob(f"{file.name}-*.o"))
        except OSError:
            return False


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
        if not self.compiled:
            return buffer
        return NativeArray(buffer if isinstance(buffer, Buffer) else np.frombuffer(buffer, dtype=np.uint8))

    def run(self, function: Kernel[Any]) -> Callable[..., Any]:
        """The body of a kernel that this machine runs, to be called."""
        return function.compiled if self.compiled else function.interpreted


def release_memory() -> None:
    """Give back memory that only loading of compiled kernels needs."""
    if native := sys.modules.get("capnet.jit.native"):
        native.release_memory()


def cache_folder() -> Path | None:
    """Where compiled kernels are kept (XDG base directory specification: a path that is not absolute is ignored).

    None without a home: a container's user may be a number without a name.
    """
    cache_home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if cache_home.is_absolute():
        return cache_home / "capnet"
    if os.environ.get("HOME") == "":  # Python takes it for the root folder
        return None
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ".cache" / "capnet" if home.is_absolute() else None


def _describe(function: Callable[..., Any], update: Callable[[bytes], None], described: set[object]) -> None:
    """Pass everything that decides what `function` compiles to to `update`.

    Of a module that the code names, these are the numbers and inline functions whose names the code also has: perhaps
    one that it takes from elsewhere, never one too few.
    """
    if function in described or not isinstance(function, FunctionType):
        return
    described.add(function)
    update(repr(inspect.signature(function)).encode())
    _describe_code(function.__code__, update)
    names = function.__code__.co_names
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            for attribute in names:
                _describe_value(f"{name}.{attribute}", getattr(value, attribute, None), update, described)
        else:
            _describe_value(name, value, update, described)


def _describe_value(name: str, value: object, update: Callable[[bytes], None], described: set[object]) -> None:
    """A number, or an inline function and all that it uses."""
    if isinstance(value, int):
        update(f"{name}={value}".encode())
    elif isinstance(value, FunctionType) and is_inline(value):
        update(name.encode())
        _describe(value, update, described)


def _describe_code(code: CodeType, update: Callable[[bytes], None]) -> None:
    update(code.co_code)
    update(repr((code.co_names, code.co_varnames)).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _describe_code(constant, update)
        else:
            update(repr(constant).encode())
