"""numba's switches: environment variables that change how kernels run."""

from __future__ import annotations

import os


def is_set(switch: str) -> bool:
    """Whether a switch is on: a number that is not 0."""
    return os.environ.get(switch, "0") not in ("", "0")
