"""Results that several analyzers ask for are computed once.

    @derived
    def flow_links(context: Context) -> Links: ...

Callers ask for a result by the name of the function that computes it, as passes of a compiler do; the context holds
inputs only and knows none of them. Two threads that ask at the same moment may both compute; both get equal results.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from capnet.analysis.core.context import Context

P = ParamSpec("P")
R = TypeVar("R")


def derived(compute: Callable[Concatenate[Context, P], R]) -> Callable[Concatenate[Context, P], R]:
    """`compute`, whose result is kept for each context and set of arguments, which must be hashable."""

    @wraps(compute)
    def result(context: Context, *args: P.args, **kwargs: P.kwargs) -> R:
        key: Any = (compute, args, *sorted(kwargs.items())) if kwargs else (compute, args)
        if key not in context.derived:
            context.derived[key] = compute(context, *args, **kwargs)
        kept: R = context.derived[key]
        return kept

    return result
