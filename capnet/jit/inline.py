"""Functions that kernels call: compiled, they become part of the kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_inlines: dict[str, Callable[..., Any]] = {}  # all of them, by module and name


def inline(function: F) -> F:
    """A function that only kernels (and other inlines) call."""
    _inlines[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def is_inline(function: Callable[..., Any]) -> bool:
    """Was this function marked as `inline`?"""
    return f"{function.__module__}.{function.__qualname__}" in _inlines


def inlines() -> list[Callable[..., Any]]:
    """All functions that kernels may call."""
    return list(_inlines.values())
