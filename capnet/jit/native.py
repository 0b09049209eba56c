"""Machine code of kernels: made by numba once, kept as object files, loaded through LLVM alone.

An object file holds one kernel as the plain function `int32 f(int64 *result, void **error, arguments…)`, numba's
own convention; an array is two arguments, address and length. llvmlite loads it in a millisecond, on every system that
numba runs on, without a linker or a C compiler. Files are made for one processor and one LLVM, which their names say.
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

from capnet.jit.arrays import Span
from capnet.jit.inline import inlines
from capnet.jit.switches import is_set

# Says, in a file's name, how `_make` makes them: new words when it changes.
_HOW = "arrays as bare addresses, all in one, apart"

_engine: Any = None
_processor = ""  # hash of what machine code depends on
_known = 0  # inlines that numba was told about


def compiled(function: Callable[..., Any], cache: Path | None, kinds: str) -> Any:
    """`function` as machine code. `cache`: begin of the name of the file where it is kept, None if nowhere.

    `kinds`: of each parameter, n = a number, i or b = an array of int64 or bytes.
    """
    if is_set("NUMBA_BOUNDSCHECK"):
        return _checked(function, kinds)
    engine = _start()
    file = cache and cache.with_name(f"{cache.name}-{kinds}-{_processor}.o")
    try:
        symbol, code = _read(file)
    except (OSError, ValueError):
        symbol, code = _make(function, kinds)
        _keep(file, symbol, code)
    engine.add_object_file(_object(code))
    engine.finalize_object()
    return _callable(function, kinds, engine.get_function_address(symbol))


def _start() -> Any:
    """The one LLVM engine that holds all kernels."""
    global _engine, _processor
    if _engine is None:
        import llvmlite
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        features = llvm.get_host_cpu_features().flatten()
        text = f"{_HOW} {llvmlite.__version__} {llvm.get_process_triple()} {llvm.get_host_cpu_name()} {features}"
        _processor = hashlib.sha256(text.encode()).hexdigest()[:8]
        # Named by numba's reference counting, which is compiled in and never reached: arrays belong to the caller.
        llvm.add_symbol("NRT_MemInfo_call_dtor", ctypes.cast(_unreachable, ctypes.c_void_p).value)
        target = llvm.Target.from_default_triple().create_target_machine(jit=True)
        _engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
    return _engine


def rest() -> None:
    """Let go of the pages of LLVM's own code, 30 MiB, that loading touched; what is needed again is read again.

    Only code: other parts of a library are changed when it is loaded. Linux only, elsewhere nothing happens.
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
            start, end = (int(each, 16) for each in span.split("-"))
            advise(start, end - start, 4)  # MADV_DONTNEED


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def _unreachable(_: object) -> None:
    raise AssertionError("a kernel owns no memory")


def _object(code: bytes) -> Any:
    from llvmlite.binding import ObjectFileRef

    return ObjectFileRef.from_data(code)


# -- the cache: one line with the function's name and a checksum, then the object file --------------------
def _read(file: Path | None) -> tuple[str, bytes]:
    """ValueError if the file is not whole, or somebody else's: what is in it will be run."""
    if file is None:
        raise ValueError("nothing is kept")
    with file.open("rb") as opened:
        status = os.fstat(opened.fileno())
        if hasattr(os, "geteuid") and (status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022):
            raise ValueError(f"{file}: others may have written it")
        head, _, code = opened.read().partition(b"\n")
    symbol, _, checksum = head.decode().partition(" ")
    if hashlib.sha256(code).hexdigest() != checksum:
        raise ValueError(f"{file}: damaged")
    return symbol, code


def _keep(file: Path | None, symbol: str, code: bytes) -> None:
    if file is None:
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
    except OSError:
        pass  # a read-only home: it is made again next time


# -- calling ----------------------------------------------------------------------------------------------
def _arguments(function: Callable[..., Any], kinds: str) -> list[tuple[str, str]]:
    """(name, kind) of each parameter."""
    return list(zip(inspect.signature(function).parameters, kinds, strict=True))


def _callable(function: Callable[..., Any], kinds: str, address: int) -> Callable[..., Any]:
    """A Python function that takes what the kernel takes, arrays as `Span`s, and calls machine code."""
    types: list[Any] = [ctypes.POINTER(ctypes.c_int64), ctypes.POINTER(ctypes.c_void_p)]
    given = []
    for name, kind in _arguments(function, kinds):
        types += [ctypes.c_int64] if kind == "n" else [ctypes.c_void_p, ctypes.c_int64]
        given += [name] if kind == "n" else [f"{name}.at", f"{name}.size"]
    names = ", ".join(inspect.signature(function).parameters)
    source = f"""
def {function.__name__}({names}):
    _result = _number()
    if _native(_result, _error(), {", ".join(given)}):
        raise AssertionError("kernels raise nothing")
    return _result.value
"""
    space: dict[str, Any] = {
        "_number": ctypes.c_int64,  # no kernel calls its parameters so
        "_error": ctypes.c_void_p,
        "_native": ctypes.CFUNCTYPE(ctypes.c_int32, *types)(address),
    }
    exec(source, space)
    result: Callable[..., Any] = space[function.__name__]
    return result


# -- making -----------------------------------------------------------------------------------------------
def _told() -> Any:
    """numba, knowing all inlines."""
    global _known
    import numba
    from numba.extending import register_jitable

    for helper in inlines()[_known:]:
        # Left to itself LLVM makes calls of the larger ones, each with a status to look at: a quarter of the time.
        register_jitable(forceinline=True)(helper)
    _known = len(inlines())
    return numba


def _apart() -> Any:
    """numba's compiler, told that no two arrays of a kernel overlap: writing to one leaves what was read of others."""
    from numba.core.compiler import Compiler

    class Apart(Compiler):
        def define_pipelines(self) -> Any:
            self.state.flags.noalias = True
            return super().define_pipelines()

    return Apart


def _make(function: Callable[..., Any], kinds: str) -> tuple[str, bytes]:
    """Compile: (name of the function in it, object file)."""
    numba = _told()
    # An array is handed on as a bare address. As numba's array, each access would first ask whether its index is
    # negative, and count from the end then.
    types, parameters, given = [], [], []
    for name, kind in _arguments(function, kinds):
        if kind == "n":
            types.append(numba.types.int64)
            parameters.append(name)
        else:
            element = numba.types.uint8 if kind == "b" else numba.types.int64
            types += [numba.types.CPointer(element), numba.types.int64]
            parameters += [name, f"{name}_size"]
        given.append(name)
    call = f"_inner({', '.join(given)})"
    ends = f"    {call}\n    return 0\n" if function.__annotations__["return"] == "None" else f"    return {call}\n"
    apart = _apart()
    space: dict[str, Any] = {"_inner": numba.njit(function, pipeline_class=apart)}
    exec(f"def {function.__name__}({', '.join(parameters)}):\n{ends}", space)
    jitted = numba.njit(
        numba.types.int64(*types), no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=apart
    )(space[function.__name__])
    result = jitted.overloads[tuple(types)]
    library = result.library
    library.get_pointer_to_function(result.fndesc.llvm_func_name)  # finishes it
    return result.fndesc.llvm_func_name, library._codegen._tm.emit_object(library._final_module)


def _checked(function: Callable[..., Any], kinds: str) -> Callable[..., Any]:
    """`function` by numba alone, which then checks each index (NUMBA_BOUNDSCHECK=1): for tests.

    AssertionError where two arrays overlap, which compiled kernels rely on never to happen.
    """
    jitted = _told().njit(nogil=True)(function)

    def call(*given: Any) -> Any:
        spans = sorted(
            (each.at, each.at + each.size * (1 if each.kind == "b" else 8))
            for each in given
            if isinstance(each, Span) and each.size
        )
        if any(end > begin for (_, end), (begin, _) in pairwise(spans)):
            raise AssertionError(f"{function.__name__}: two of its arrays overlap")
        return jitted(*(each if kind == "n" else each.array for each, kind in zip(given, kinds, strict=True)))

    return call
