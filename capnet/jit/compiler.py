"""Makes machine code of kernels: numba turns Python into LLVM's language, LLVM turns that into an object file.

It takes seconds for each kernel and some 200 MiB, so it runs only where no machine code is kept (`store`), and for
what comes with capnet. The code uses what every processor of an architecture has: more of it made no kernel faster.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

from capnet.jit.arrays import Buffer, NativeArray, parameters
from capnet.jit.inline import inlines

_registered = 0  # inline functions that numba knows


class Program(NamedTuple):
    """A kernel in LLVM's language. `function`: the name of its function in `module`."""

    module: Any
    function: str


def program(function: Callable[..., Any]) -> Program:
    """Translate a kernel. This takes nearly all of the time."""
    numba = _numba()
    # An array is passed as a bare address. In numba's own array, each access first tests for a negative index.
    types, names, arguments = [], [], []
    for name, kind in parameters(function):
        if kind == "n":
            types.append(numba.types.int64)
            names.append(name)
        else:
            element = numba.types.uint8 if kind == "b" else numba.types.int64
            types += [numba.types.CPointer(element), numba.types.int64]
            names += [name, f"{name}_size"]
        arguments.append(name)
    call = f"_inner({', '.join(arguments)})"
    body = f"    {call}\n    return 0\n" if function.__annotations__["return"] == "None" else f"    return {call}\n"
    compiler = _no_alias_compiler()
    space: dict[str, Any] = {"_inner": numba.njit(function, pipeline_class=compiler)}
    exec(f"def {function.__name__}({', '.join(names)}):\n{body}", space)
    jitted = numba.njit(
        numba.types.int64(*types), no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=compiler
    )(space[function.__name__])
    result = jitted.overloads[tuple(types)]
    name = result.fndesc.llvm_func_name
    result.library.get_pointer_to_function(name)  # finishes it
    return Program(result.library._final_module, name)


def object_file(program: Program, symbol: str, triple: str = "") -> bytes:
    """Machine code with one symbol, for any processor of a target triple; by default that of this machine.

    The code may lie anywhere in memory, far from its constants. It is the same each time.
    """
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(triple or llvm.get_process_triple())
    machine = target.create_target_machine(cpu="generic", opt=3, reloc="static", codemodel="large", jit=True)
    module = program.module.clone()
    module.triple, module.data_layout = target.triple, str(machine.target_data)
    for value in (*module.functions, *module.global_variables):
        if value.name == program.function:
            value.name = symbol
        elif not value.is_declaration:
            value.linkage = "private"
    code: bytes = machine.emit_object(module)
    return code


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled by numba alone, which checks each index (NUMBA_BOUNDSCHECK=1): for tests.

    AssertionError if two arrays of a call overlap, which compiled kernels rely on not to happen.
    """
    jitted = _numba().njit(nogil=True)(function)

    def call(*arguments: Any) -> Any:
        arrays = [argument for argument in arguments if isinstance(argument, NativeArray | Buffer)]
        spans = sorted(
            (array.at, array.at + array.size * (1 if array.kind == "b" else 8)) for array in arrays if array.size
        )
        if any(end > begin for (_, end), (begin, _) in pairwise(spans)):
            raise AssertionError(f"{function.__name__}: two of its arrays overlap")
        return jitted(*(value.array if isinstance(value, NativeArray | Buffer) else value for value in arguments))

    return call


def _numba() -> Any:
    """numba, with all inline functions registered."""
    global _registered
    import numba
    from numba.core import config
    from numba.extending import register_jitable

    config.CPU_NAME, config.CPU_FEATURES = "generic", ""  # type: ignore[attr-defined]
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
