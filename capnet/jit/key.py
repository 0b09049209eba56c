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
    assert isinstance(function, FunctionType)  # written in Python
    parts = {_HOW}
    _collect(function, parts, set())
    return checksum("\n".join(sorted(parts)).encode())


def _collect(function: FunctionType, parts: set[str], described: set[FunctionType]) -> None:
    """Add everything that decides what `function` compiles to."""
    described.add(function)
    parts.add(f"{function.__module__}.{function.__qualname__} {_source(function.__module__, function.__code__)}")
    for shown, members, name in _named(function):
        value = members[name]
        if isinstance(value, int):
            parts.add(f"{shown}={value}")
        elif isinstance(value, FunctionType) and value not in described and is_inline(value):
            _collect(value, parts, described)


@cache
def _named(function: FunctionType) -> list[tuple[str, dict[str, Any], str]]:
    """What the code of a function names in its module, or in a module that it names: as it is written there, and where.

    Of the latter, it is all whose names the code also has: perhaps one that it takes from elsewhere, never one too few.
    """
    names, members = function.__code__.co_names, function.__globals__
    named = []
    for name in names:
        if isinstance(members.get(name), ModuleType):
            inner = vars(members[name])
            named += [(f"{name}.{attribute}", inner, attribute) for attribute in names if attribute in inner]
        elif name in members:
            named.append((name, members, name))
    return named


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
