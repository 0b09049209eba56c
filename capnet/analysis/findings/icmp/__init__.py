"""Findings that begin with an ICMP error on a packet: none without one."""

from __future__ import annotations

from capnet.analysis.core.context import Context


def is_needed(context: Context) -> bool:
    """Does the capture show ICMP errors?"""
    return len(context.icmp_errors) > 0
