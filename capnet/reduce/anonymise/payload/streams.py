"""Replaces the payload of a TCP segment, but for that by which a finding recognises the protocol."""

from __future__ import annotations

from capnet.analysis.facts.streams.openings import recognised_by
from capnet.reduce.anonymise.octets import replaced
from capnet.reduce.anonymise.payload.control import bgp_segment
from capnet.reduce.anonymise.replacements import Replacements
from capnet.wire.protocols import bgp


def tcp_payload(octets: bytes, replacements: Replacements) -> bytes:
    """As many octets."""
    if "bgp" in replacements.reads and octets.startswith(bgp.MARKER):
        return bgp_segment(octets, replacements)
    new = bytearray(replaced(octets, replacements.key))
    if replacements.reads & {"stream_starts", "tls_alerts"}:
        for part in recognised_by(octets):
            new[part] = octets[part]
    return bytes(new)
