"""The documents of the golden captures, analyzed once for all tests of a process."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from capnet.analysis.engine import analyze


@cache
def document(path: Path) -> dict[str, Any]:
    """The document of the report on one capture; tests must not change it."""
    return analyze(path).to_dict()
