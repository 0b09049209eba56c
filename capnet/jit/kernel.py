"""One source, two machines: every hot function runs interpreted or compiled, unchanged.

A small capture must not wait for a compiler and a large one must not wait for an interpreter. So the hot functions
("kernels") are written in the part of Python that means the same in both: flat arrays, neither sliced nor asked for
their length, `int` arithmetic that never leaves the signed 64-bit range, no objects, no exceptions. Interpreted they
get `memoryview`s (three times faster to index than numpy arrays); compiled, the addresses of the same arrays. No two
arrays that one call is given may overlap.

`@inline` marks a function that kernels call, `@kernel` one that is called from outside. A kernel's annotations are
its signature: `int` is an int64, `Any` a flat array of int64 or of bytes, whichever it is when first called.

Compiled kernels are kept on disk as machine code (`native.py`), so that numba, which takes several times
longer to import than a large capture's first gigabyte to decode, is needed only to make them. A kernel's file is named
after everything that is compiled in: its own code, that of all it calls, and the numbers that other modules define.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from types import CodeType, FunctionType, ModuleType
from typing import Any, Generic

import numpy as np

from capnet.jit.arrays import Buffer, Span
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
        return self._compiled or self._first_call  # type: ignore[return-value]

    def _first_call(self, *given: Any) -> Any:
        with _compiling:
            if self._compiled is None:
                from capnet.jit.native import compiled

                kinds = "".join(each.kind if isinstance(each, Span) else "n" for each in given)
                self._compiled = compiled(self.interpreted, self.cache_file(), kinds)
        return self._compiled(*given)

    def cache_file(self) -> Path | None:
        """Where its machine code is kept, without what depends on the processor; None if nowhere."""
        folder = cache_folder()
        if folder is None:
            return None
        text = hashlib.sha256(sys.version.encode())
        _describe(self.interpreted, text.update, set())
        return folder / f"{self.interpreted.__name__}-{text.hexdigest()[:16]}"

    def is_cached(self) -> bool:
        """Whether its machine code is there already, or must be made."""
        name = self.cache_file()
        if name is None:
            return False
        try:
            return any(name.parent.glob(f"{name.name}-*.o"))
        except OSError:
            return False


def kernel(function: F) -> Kernel[F]:
    """A hot function that is called from outside through a `Machine`."""
    return Kernel(function)


class Machine:
    """Where kernels run: `Machine(compiled=False)` interprets, `Machine(compiled=True)` compiles.

    With NUMBA_DISABLE_JIT set nothing is compiled, as numba has it; that is slow, and finds out about a compiler.
    Arrays are always numpy arrays; `view` turns one into what this machine's kernels index.
    """

    def __init__(self, compiled: bool) -> None:
        self.compiled = compiled and not is_set("NUMBA_DISABLE_JIT")

    def view(self, array: np.ndarray) -> Any:
        return Span(array) if self.compiled else memoryview(array)  # type: ignore[arg-type]

    def bytes(self, buffer: bytearray | memoryview) -> Any:
        """As `view`, for a buffer of bytes."""
        if not self.compiled:
            return buffer
        return Span(buffer if isinstance(buffer, Buffer) else np.frombuffer(buffer, dtype=np.uint8))

    def run(self, hot: Kernel[Any]) -> Callable[..., Any]:
        return hot.compiled if self.compiled else hot.interpreted


def rest() -> None:
    """The large part of the work is done: what loads compiled kernels may let go of memory."""
    if native := sys.modules.get("capnet.jit.native"):
        native.rest()


def cache_folder() -> Path | None:
    """Where compiled kernels are kept (XDG base directory rules: paths that are not absolute do not count).

    None for whoever has no home, as a user of a container that has a number and no name.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given / "capnet"
    if os.environ.get("HOME") == "":  # which Python takes for the root folder
        return None
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ".cache" / "capnet" if home.is_absolute() else None


def _describe(function: Callable[..., Any], tell: Callable[[bytes], None], told: set[object]) -> None:
    """Tell everything that decides what `function` compiles to.

    Of a module that the code names, every number and inline function is told whose name the code has too: at most one
    too many, never one too few.
    """
    if function in told or not isinstance(function, FunctionType):
        return
    told.add(function)
    tell(repr(inspect.signature(function)).encode())
    _describe_code(function.__code__, tell)
    names = function.__code__.co_names
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            for attribute in names:
                _describe_value(f"{name}.{attribute}", getattr(value, attribute, None), tell, told)
        else:
            _describe_value(name, value, tell, told)


def _describe_value(name: str, value: object, tell: Callable[[bytes], None], told: set[object]) -> None:
    """Tell a number, or an inline function and what it uses."""
    if isinstance(value, int):
        tell(f"{name}={value}".encode())
    elif isinstance(value, FunctionType) and is_inline(value):
        tell(name.encode())
        _describe(value, tell, told)


def _describe_code(code: CodeType, tell: Callable[[bytes], None]) -> None:
    tell(code.co_code)
    tell(repr((code.co_names, code.co_varnames)).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _describe_code(constant, tell)
        else:
            tell(repr(constant).encode())
