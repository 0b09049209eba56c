"""Findings that begin with messages of control protocols: none without BGP, IKE or VRRP."""

from __future__ import annotations

from capnet.analysis.core.context import Context


def is_needed(context: Context) -> bool:
    """Does the capture show how BGP or IKE opens a session, or a master of VRRP?"""
    return bool(context.bgp or context.ike or context.vrrp)
