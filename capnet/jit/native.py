"""Machine code of kernels as Python functions: loaded directly, or by LLVM alone, in a millisecond each.

It needs neither a linker nor a C compiler, on every system that numba runs on.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

from capnet.jit import elf_loader, notices
from capnet.jit.arrays import parameters
from capnet.jit.store import Store
from capnet.jit.switches import is_set

_engine: Any = None


def compiled(function: Callable[..., Any], store: Store) -> Any:
    """`function` as machine code, to be called with `NativeArray`s or `Buffer`s for arrays."""
    if is_set("NUMBA_BOUNDSCHECK"):
        from capnet.jit.compiler import checked

        return checked(function)
    try:
        code = store.read()
    except (OSError, ValueError):
        notices.tell(notices.COMPILING)
        code = _make(function, store)
    return _callable(function, _address(code, store.name))


def _make(function: Callable[..., Any], store: Store) -> bytes:
    from capnet.jit.compiler import object_file, program

    code = object_file(program(function), store.name)
    store.keep(code)
    return code


def _address(code: bytes, symbol: str) -> int:
    """The address of a function of an object file, which is loaded."""
    try:
        return elf_loader.load(code, symbol)
    except elf_loader.UnknownFormat:
        engine = _shared_engine()
        engine.add_object_file(_object(code))
        engine.finalize_object()
        address: int = engine.get_function_address(symbol)
        return address


def _shared_engine() -> Any:
    """The LLVM engine that holds what it loaded; it is created at the first call."""
    global _engine
    if _engine is None:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_default_triple().create_target_machine(jit=True)
        _engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
    return _engine


def release_memory() -> None:
    """Give back the pages of LLVM's own code that loading touched, 30 MiB; they are read again when needed.

    Only code: loading changes the other parts of a library. Does nothing except on Linux.
    """
    if _engine is None:
        return
    try:
        advise = ctypes.CDLL(None).madvise
        advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        maps = Path("/proc/self/maps").read_text().splitlines()
    except (OSError, AttributeError):
        return
    for line in maps:
        span, mode, *_ = line.split()
        if mode == "r-xp" and "llvmlite" in line:
            start, end = (int(address, 16) for address in span.split("-"))
            advise(start, end - start, 4)  # MADV_DONTNEED


def _object(code: bytes) -> Any:
    from llvmlite.binding import ObjectFileRef

    return ObjectFileRef.from_data(code)


def _callable(function: Callable[..., Any], address: int) -> Callable[..., Any]:
    """A Python function that calls a kernel's machine code, with numbers and arrays (`jit.arrays`) in order."""
    types: list[Any] = [ctypes.POINTER(ctypes.c_int64), ctypes.POINTER(ctypes.c_void_p)]
    for _, kind in parameters(function):
        types += [ctypes.c_int64] if kind == "n" else [ctypes.c_void_p, ctypes.c_int64]
    native = ctypes.CFUNCTYPE(ctypes.c_int32, *types)(address)
    new_result, new_error = ctypes.c_int64, ctypes.c_void_p

    def call(*arguments: Any) -> int:
        given: list[Any] = [new_result(), new_error()]
        for argument in arguments:
            if type(argument) is int:
                given.append(argument)
            else:
                given += (argument.at, argument.size)
        if native(*given):
            raise AssertionError("kernels raise nothing")
        result: int = given[0].value
        return result

    return call
