"""What decides the machine code of a kernel, as one number: machine code is used only for the sources it was made of.

It covers the source files of the kernel and of every inline function that it calls, and the numbers that these take
from modules. It does not depend on the version of Python, as machine code that comes with capnet is made once for all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from capnet.jit.checksum import checksum
from capnet.jit.inline import is_inline

_HOW = "generic processor, arrays as bare addresses, apart"  # change it when `compiler` makes other code


def key(function: Callable[..., Any]) -> str:
    """16 hexadecimal digits."""
    parts = {_HOW}
    _collect(function, parts, set())
    return checksum("\n".join(sorted(parts)).encode())


def _collect(function: Callable[..., Any], parts: set[str], described: set[object]) -> None:
    """Add everything that decides what `function` compiles to.

    Of a module that the code names, these are the numbers and inline functions whose names the code also has: perhaps
    one that it takes from elsewhere, never one too few.
    """
    if function in described or not isinstance(function, FunctionType):
        return
    described.add(function)
    parts.add(f"{function.__module__}.{function.__qualname__} {_source(function.__module__, function.__code__)}")
    names = function.__code__.co_names
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            for attribute in names:
                _collect_value(f"{name}.{attribute}", getattr(value, attribute, None), parts, described)
        else:
            _collect_value(name, value, parts, described)


def _collect_value(name: str, value: object, parts: set[str], described: set[object]) -> None:
    """A number, or an inline function and all that it uses."""
    if isinstance(value, int):
        parts.add(f"{name}={value}")
    elif isinstance(value, FunctionType) and is_inline(value):
        _collect(value, parts, described)


def _source(module: str, code: CodeType) -> str:
    """Checksum of the file that holds the code. Without a file, as at a prompt, that of the code itself."""
    return _of_file(module, code.co_filename) or checksum(_text(code))


@cache
def _of_file(module: str, file: str) -> str | None:
    loader: Any = getattr(sys.modules.get(module), "__loader__", None)
    try:
        return checksum(loader.get_data(file))  # a zip file has a loader of its own
    except (AttributeError, OSError):
        return None


def _text(code: CodeType) -> bytes:
    constants = [constant for constant in code.co_consts if not isinstance(constant, CodeType)]
    return repr((code.co_code, code.co_names, code.co_varnames, constants)).encode()
