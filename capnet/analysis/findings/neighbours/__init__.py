"""Findings that begin with ARP or Neighbor Discovery: none without either, but for an address of two stations."""

from __future__ import annotations

from capnet.analysis.core.context import Context


def is_needed(context: Context) -> bool:
    """Does the capture show ARP or Neighbor Discovery? Macvlan containers share a link with others without it."""
    containers = context.topology.containers if context.topology else ()
    has_macvlan = any(endpoint.kind == "macvlan" for container in containers for endpoint in container.endpoints)
    return len(context.arps) > 0 or len(context.nd) > 0 or has_macvlan
