"""Findings that begin with flows which stop between two points, or with questions for a MAC that do: none without."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.facts.neighbours.whereabouts.isolated_ports import isolated_ports
from capnet.analysis.fate.fates import STOPS, fates


def is_needed(context: Context) -> bool:
    """Does any flow stop, or does a bridge keep the questions of one port from another one?"""
    return bool((fates(context).state == STOPS).any()) or bool(isolated_ports(context))
