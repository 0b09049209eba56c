"""Findings that look at packets of a flow one by one: none where only a sample of packets was observed."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.facts.transport.tcp_connections import has_segments


def is_needed(context: Context) -> bool:
    """Were all packets observed?"""
    return has_segments(context)
