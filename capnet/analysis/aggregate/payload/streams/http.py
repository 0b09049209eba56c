"""HTTP: the address that a redirect names (RFC 9110 section 10.2.2)."""

from __future__ import annotations

import re

_REDIRECT = re.compile(rb"HTTP/1\.[01] 30[12378] ")
_LOCATION = re.compile(
    rb"\r\nlocation:[ \t]*(https?)://(?:\[([0-9a-f:.]{2,45})\]|([0-9a-z_.-]{1,253}))(?::(\d{1,5}))?[/?#\r]",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {b"http": 80, b"https": 443}


def is_redirect(octets: bytes) -> bool:
    """Is it an answer that sends the client elsewhere?"""
    return _REDIRECT.match(octets) is not None


def location(octets: bytes) -> list[tuple[str, int]]:
    """Host and port of the absolute Location in the headers of a redirect, [] if there is none."""
    headers, end, _ = octets.partition(b"\r\n\r\n")
    match = _LOCATION.search(headers + end)
    if not match:
        return []
    return [((match[2] or match[3]).decode(), int(match[4] or _DEFAULT_PORTS[match[1].lower()]))]
