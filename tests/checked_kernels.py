"""With NUMBA_BOUNDSCHECK=1, the summary of a run says which kernels ran with every index checked.

A run of all tests with the mark `kernels` fails if a kernel of capnet did not run: the mark is then missing somewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from capnet.jit import compiler
from tests import turns

IS_CHECKED = os.environ.get("NUMBA_BOUNDSCHECK") == "1"
ran: set[str] = set()  # in this process or, in that which starts workers, in all of them


def watch() -> None:
    """From now on, note the kernels that are compiled with checks."""
    checked = compiler.checked

    def noted(function: Callable[..., Any]) -> Callable[..., Any]:
        ran.add(_name(function))
        return checked(function)

    compiler.checked = noted


def missing() -> list[str]:
    """The kernels of capnet that did not run."""
    from tests import machine_code  # which needs tests.conftest, and that needs this file

    return sorted({_name(kernel.interpreted) for kernel in machine_code.kernels()} - ran)


def must_be_all(config: pytest.Config) -> bool:
    """Is this a run of all tests with the mark?"""
    return IS_CHECKED and config.option.markexpr == "kernels" and turns.is_whole(config)


def summary(config: pytest.Config) -> str:
    """One line about them."""
    lacking = missing() if must_be_all(config) else []
    return f"kernels with every index checked: {len(ran)}" + (f"; not run: {', '.join(lacking)}" if lacking else "")


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
