"""Findings that begin with flows which stop between two points: none where all arrive."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.fate.fates import STOPS, fates


def is_needed(context: Context) -> bool:
    """Does any flow stop?"""
    return bool((fates(context).state == STOPS).any())
