"""Functions that kernels call. When compiled, they become part of the kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_inlines: dict[str, Callable[..., Any]] = {}  # all of them, by module and name


def inline(function: F) -> F:
    """Mark a function that only kernels and other inline functions call."""
    _inlines[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def is_inline(function: Callable[..., Any]) -> bool:
    """Whether this function is marked as `inline`."""
    return f"{function.__module__}.{function.__qualname__}" in _inlines


def inlines() -> list[Callable[..., Any]]:
    """All marked functions, in the order of their definition."""
    return list(_inlines.values())
