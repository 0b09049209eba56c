"""Findings on tunnels and on what they carry: none without a tunnel."""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context


def is_needed(context: Context) -> bool:
    """Is there a tunnel, or a flow or ARP that came through one?"""
    has_inner_packets = (context.flows[:, schema.FLOW_VIA] > 0).any() or (context.arps[:, schema.ARP_VIA] > 0).any()
    return len(context.tunnels) > 0 or bool(has_inner_packets)
