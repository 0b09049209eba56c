"""Findings that begin with what the ends of TCP connections say first: none without TLS, FTP and named addresses."""

from __future__ import annotations

from capnet.analysis.core.context import Context


def is_needed(context: Context) -> bool:
    """Does an end of a connection begin with a record of TLS, or say that it awaits one? Is there FTP, or a server that
    names addresses?"""
    if not context.stream_starts:
        return False
    from capnet.analysis.facts.streams.openings import http_status, is_tls  # most captures have no connections

    has_tls = any(is_tls(start.octets) or http_status(start.octets) == 400 for start in context.stream_starts)
    return has_tls or bool(context.ftp_openings or context.advertised)
