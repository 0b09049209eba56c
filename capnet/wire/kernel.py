"""One source, two machines: every hot function runs interpreted or compiled, unchanged.

A small capture must not wait for a compiler and a large one must not wait for an interpreter. So
the hot functions ("kernels") are written in the part of Python that means the same in both: flat
arrays, `int` arithmetic that never leaves the signed 64-bit range, no objects, no exceptions.
Interpreted they get `memoryview`s (three times faster to index than numpy arrays); compiled, the
same arrays as numpy arrays.

`@inline` marks a function that kernels call, `@kernel` one that is called from outside. Nothing is
compiled, and numba is not even imported, before a kernel is first run compiled. Compiled code is
cached on disk under a name made of the text of all modules beside kernels: numba alone would notice a change
in the entry's own file only, and the numbers of columns, which other modules define, are compiled in.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

_inlines: list[Callable[..., Any]] = []
_sources: set[str] = set()


def inline(function: F) -> F:
    """A function that only kernels (and other inlines) call."""
    _inlines.append(function)
    _sources.add(function.__code__.co_filename)
    return function


class Kernel(Generic[F]):
    """A hot function with two bodies: `interpreted` (as written) and `compiled` (numba, GIL released)."""

    def __init__(self, function: F) -> None:
        self.interpreted: F = function
        self._compiled: F | None = None
        _sources.add(function.__code__.co_filename)

    @property
    def compiled(self) -> F:
        if self._compiled is None:
            self._compiled = _compile(self.interpreted)
        return self._compiled


def kernel(function: F) -> Kernel[F]:
    """A hot function that is called from outside through a `Machine`."""
    return Kernel(function)


class Machine:
    """Where kernels run: `Machine(compiled=False)` interprets, `Machine(compiled=True)` compiles.

    Arrays are always numpy arrays; `view` turns one into what this machine's kernels index.
    """

    def __init__(self, compiled: bool) -> None:
        self.compiled = compiled

    def view(self, array: np.ndarray) -> Any:
        return array if self.compiled else memoryview(array)  # type: ignore[arg-type]

    def run(self, hot: Kernel[Any]) -> Callable[..., Any]:
        return hot.compiled if self.compiled else hot.interpreted


def cache_folder() -> Path:
    """Where compiled kernels of exactly these sources are kept (XDG base directory rules)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    text = hashlib.sha256(sys.version.encode())
    for folder in sorted({Path(name).parent for name in _sources}):
        for source in sorted(folder.glob("*.py")):
            text.update(source.read_bytes())
    return Path(base) / "capnet" / text.hexdigest()[:16]


def has_cache() -> bool:
    """Whether a large capture can start at once, or must wait some seconds for the compiler."""
    try:
        return any(cache_folder().rglob("*.nbi"))
    except OSError:
        return False


_registered = 0


def _compile(function: Callable[..., Any]) -> Any:
    global _registered
    import numba
    from numba.core import config as numba_config

    config: Any = numba_config
    from numba.extending import register_jitable

    for helper in _inlines[_registered:]:
        register_jitable(helper)
    _registered = len(_inlines)

    boundscheck = bool(os.environ.get("NUMBA_BOUNDSCHECK"))
    before = config.CACHE_DIR
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        config.CACHE_DIR = str(folder)
        return numba.njit(nogil=True, cache=not boundscheck)(function)
    except OSError:  # a read-only home: compile for this run only
        return numba.njit(nogil=True)(function)
    finally:
        config.CACHE_DIR = before
