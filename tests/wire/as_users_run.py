"""Processes that a test starts to see what users get: with the machine code that comes with capnet."""

from __future__ import annotations

import os

from tests.conftest import PROJECT


def environment(**more: str) -> dict[str, str]:
    """Variables of such a process: this one's without numba's switches, `NUMBA_BOUNDSCHECK` among them."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    return {**own, "PYTHONPATH": str(PROJECT), **more}
