"""Findings on names: none without packets from or to the port of DNS."""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.wire.numbers import PORT_DNS

READS = ("dns",)


def is_needed(context: Context) -> bool:
    """Is a flow from or to port 53?"""
    ports = (context.flows[:, column] for column in (schema.FLOW_SPORT, schema.FLOW_DPORT))
    return any(bool((port == PORT_DNS).any()) for port in ports)
