"""Machine code of kernels: numba makes it once, object files keep it, LLVM alone loads it.

An object file holds one kernel as the plain function `int32 f(int64 *result, void **error, arguments…)`, numba's own
calling convention; an array is two arguments, address and length. llvmlite loads it in a millisecond, on every system
that numba runs on, without a linker or a C compiler. A file is for one processor and one LLVM; its name holds a hash of
both.
"""

from __future__ import annotations

import ctypes
import hashlib
import inspect
import os
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from capnet.jit import notices
from capnet.jit.arrays import NativeArray
from capnet.jit.inline import inlines
from capnet.jit.switches import is_set

# How `_make` makes machine code; part of a file's name. Change it when `_make` changes.
_HOW = "arrays as bare addresses, all in one, apart"

_engine: Any = None
_processor = ""  # hash of what machine code depends on
_registered = 0  # inline functions that numba knows


def compiled(function: Callable[..., Any], cache: Path | None, kinds: str) -> Any:
    """`function` as machine code, to be called with `NativeArray`s for arrays.

    `cache`: how the name of its file begins, None if it is not kept. `kinds`: a letter for each parameter, n = number,
    i = array of int64, b = array of bytes.
    """
    if is_set("NUMBA_BOUNDSCHECK"):
        return _checked(function, kinds)
    engine = _shared_engine()
    file = cache and cache.with_name(f"{cache.name}-{kinds}-{_processor}.o")
    try:
        symbol, code = _read(file)
    except (OSError, ValueError):
        notices.tell(notices.COMPILING)
        symbol, code = _make(function, kinds)
        _keep(file, symbol, code)
    engine.add_object_file(_object(code))
    engine.finalize_object()
    return _callable(function, kinds, engine.get_function_address(symbol))


def _shared_engine() -> Any:
    """The LLVM engine that holds all kernels; it is created at the first call."""
    global _engine, _processor
    if _engine is None:
        import llvmlite
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        features = llvm.get_host_cpu_features().flatten()
        text = f"{_HOW} {llvmlite.__version__} {llvm.get_process_triple()} {llvm.get_host_cpu_name()} {features}"
        _processor = hashlib.sha256(text.encode()).hexdigest()[:8]
        # numba's reference counting is compiled in and names this symbol. It is never reached: the caller owns arrays.
        llvm.add_symbol("NRT_MemInfo_call_dtor", ctypes.cast(_unreachable, ctypes.c_void_p).value)
        target = llvm.Target.from_default_triple().create_target_machine(jit=True)
        _engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
    return _engine


def release_memory() -> None:
    """Give back the pages of LLVM's own code that loading touched, 30 MiB; they are read again when needed.

    Only code: loading changes the other parts of a library. Does nothing except on Linux.
    """
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


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def _unreachable(_: object) -> None:
    raise AssertionError("a kernel owns no memory")


def _object(code: bytes) -> Any:
    from llvmlite.binding import ObjectFileRef

    return ObjectFileRef.from_data(code)


# -- the cache: one line with the function's name and a checksum, then the object file --------------------
def _read(file: Path | None) -> tuple[str, bytes]:
    """(name of the function, object file). ValueError if the file is damaged or another user may have written it.

    Its content is run, so both are checked.
    """
    if file is None:
        raise ValueError("there is no cache folder")
    with file.open("rb") as opened:
        status = os.fstat(opened.fileno())
        if hasattr(os, "geteuid") and (status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022):
            raise ValueError(f"{file}: another user may have written it")
        head, _, code = opened.read().partition(b"\n")
    symbol, _, checksum = head.decode().partition(" ")
    if hashlib.sha256(code).hexdigest() != checksum:
        raise ValueError(f"{file}: damaged")
    return symbol, code


def _keep(file: Path | None, symbol: str, code: bytes) -> None:
    if file is None:
        notices.tell_unkept(None, "there is no home folder")
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, part = tempfile.mkstemp(dir=file.parent, prefix=".")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(f"{symbol} {hashlib.sha256(code).hexdigest()}\n".encode() + code)
            Path(part).replace(file)
        except OSError:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:  # a read-only or full home: the next process makes it again
        notices.tell_unkept(file.parent, error.strerror or str(error))


# -- calling ----------------------------------------------------------------------------------------------
def _parameters(function: Callable[..., Any], kinds: str) -> list[tuple[str, str]]:
    """(name, kind) of each parameter."""
    return list(zip(inspect.signature(function).parameters, kinds, strict=True))


def _callable(function: Callable[..., Any], kinds: str, address: int) -> Callable[..., Any]:
    """A Python function with the kernel's parameters, arrays as `NativeArray`s, that calls its machine code."""
    types: list[Any] = [ctypes.POINTER(ctypes.c_int64), ctypes.POINTER(ctypes.c_void_p)]
    arguments = []
    for name, kind in _parameters(function, kinds):
        types += [ctypes.c_int64] if kind == "n" else [ctypes.c_void_p, ctypes.c_int64]
        arguments += [name] if kind == "n" else [f"{name}.at", f"{name}.size"]
    names = ", ".join(inspect.signature(function).parameters)
    source = f"""
def {function.__name__}({names}):
    _result = _number()
    if _native(_result, _error(), {", ".join(arguments)}):
        raise AssertionError("kernels raise nothing")
    return _result.value
"""
    space: dict[str, Any] = {
        "_number": ctypes.c_int64,  # no kernel has parameters of these names
        "_error": ctypes.c_void_p,
        "_native": ctypes.CFUNCTYPE(ctypes.c_int32, *types)(address),
    }
    exec(source, space)
    result: Callable[..., Any] = space[function.__name__]
    return result


# -- making -----------------------------------------------------------------------------------------------
def _numba() -> Any:
    """numba, with all inline functions registered."""
    global _registered
    import numba
    from numba.extending import register_jitable

    for function in inlines()[_registered:]:
        # By default LLVM calls the larger ones and tests the status of each call, a quarter of the time.
        register_jitable(forceinline=True)(function)
    _registered = len(inlines())
    return numba


def _no_alias_compiler() -> Any:
    """numba's compiler with the promise that arrays do not overlap: a write to one keeps values read from another."""
    from numba.core.compiler import Compiler

    class NoAlias(Compiler):
        def define_pipelines(self) -> Any:
            """As numba's, with the flag set."""
            self.state.flags.noalias = True
            return super().define_pipelines()

    return NoAlias


def _make(function: Callable[..., Any], kinds: str) -> tuple[str, bytes]:
    """Compile: (name of the function, object file)."""
    numba = _numba()
    # An array is passed as a bare address. In numba's own array, each access first tests for a negative index.
    types, parameters, names = [], [], []
    for name, kind in _parameters(function, kinds):
        if kind == "n":
            types.append(numba.types.int64)
            parameters.append(name)
        else:
            element = numba.types.uint8 if kind == "b" else numba.types.int64
            types += [numba.types.CPointer(element), numba.types.int64]
            parameters += [name, f"{name}_size"]
        names.append(name)
    call = f"_inner({', '.join(names)})"
    body = f"    {call}\n    return 0\n" if function.__annotations__["return"] == "None" else f"    return {call}\n"
    compiler = _no_alias_compiler()
    space: dict[str, Any] = {"_inner": numba.njit(function, pipeline_class=compiler)}
    exec(f"def {function.__name__}({', '.join(parameters)}):\n{body}", space)
    jitted = numba.njit(
        numba.types.int64(*types), no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=compiler
    )(space[function.__name__])
    result = jitted.overloads[tuple(types)]
    library = result.library
    library.get_pointer_to_function(result.fndesc.llvm_func_name)  # finishes it
    return result.fndesc.llvm_func_name, library._codegen._tm.emit_object(library._final_module)


def _checked(function: Callable[..., Any], kinds: str) -> Callable[..., Any]:
    """`function` compiled by numba alone, which checks each index (NUMBA_BOUNDSCHECK=1): for tests.

    AssertionError if two arrays of a call overlap, which compiled kernels rely on not to happen.
    """
    jitted = _numba().njit(nogil=True)(function)

    def call(*arguments: Any) -> Any:
        spans = sorted(
            (array.at, array.at + array.size * (1 if array.kind == "b" else 8))
            for array in arguments
            if isinstance(array, NativeArray) and array.size
        )
        if any(end > begin for (_, end), (begin, _) in pairwise(spans)):
            raise AssertionError(f"{function.__name__}: two of its arrays overlap")
        return jitted(*(value if kind == "n" else value.array for value, kind in zip(arguments, kinds, strict=True)))

    return call
