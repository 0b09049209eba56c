"""Findings that begin with ARP or Neighbor Discovery: none without either."""

from __future__ import annotations

from capnet.analysis.core.context import Context


def is_needed(context: Context) -> bool:
    """Does the capture show ARP or Neighbor Discovery?"""
    return len(context.arps) > 0 or len(context.nd) > 0
