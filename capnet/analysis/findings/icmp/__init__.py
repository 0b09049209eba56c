"""Findings that begin with an ICMP error on a packet that went no further: none without one."""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.wire.numbers import ICMP_REDIRECT


def is_needed(context: Context) -> bool:
    """Does the capture show ICMP errors that are no redirects? A router that sends one has passed the packet on."""
    is_v6, kind = (context.icmp_errors[:, column] for column in (schema.ICMP_IS_V6, schema.ICMP_TYPE))
    return not bool(((is_v6 == 0) & (kind == ICMP_REDIRECT)).all())
