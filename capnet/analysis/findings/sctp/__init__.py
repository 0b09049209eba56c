"""Findings on SCTP: none without a packet that asks for an association."""

from __future__ import annotations

from capnet.analysis.core.context import Context

READS = ("sctp",)


def is_needed(context: Context) -> bool:
    """Does the capture show how an association begins?"""
    return bool(context.sctp)
