"""Replaces what identifies in messages of BGP, IKE and VRRP; why a session is refused stays."""

from __future__ import annotations

from capnet.reduce.anonymise.octets import letters, replaced
from capnet.reduce.anonymise.replacements import Replacements
from capnet.wire.protocols import bgp, ike, vrrp

_AS_TRANS = 23456  # stands for an AS number that has no place (RFC 6793)
_PRIVATE_AS = range(64512, 65535)  # RFC 6996
_OPEN_BODY, _REASON = 10, 2  # octets of an OPEN before its options; code and subcode of a NOTIFICATION


def bgp_segment(octets: bytes, replacements: Replacements) -> bytes:
    """A segment that begins with a message: kinds, reasons, hold times and private AS numbers stay."""
    new, at = bytearray(replaced(octets, replacements.key)), 0
    while octets[at : at + len(bgp.MARKER)] == bgp.MARKER and at + bgp.HEADER <= len(octets):
        length, kind = int.from_bytes(octets[at + 16 : at + 18]), octets[at + 18]
        end, body = min(at + max(length, bgp.HEADER), len(octets)), at + bgp.HEADER
        new[at:body] = octets[at:body]
        new[body:end] = replaced(octets[body:end], replacements.key)
        if kind == bgp.NOTIFICATION:
            new[body : body + _REASON] = octets[body : body + _REASON]
        elif kind == bgp.OPEN and body + _OPEN_BODY <= end:
            new[body : body + _OPEN_BODY] = _open(octets[body : body + _OPEN_BODY], replacements)
        at = end
    return bytes(new)


def _open(body: bytes, replacements: Replacements) -> bytes:
    """Version, AS number, hold time, identifier, length of the options."""
    number = int.from_bytes(body[1:3])
    number = number if number in _PRIVATE_AS else _AS_TRANS
    return body[:1] + number.to_bytes(2) + body[3:5] + replacements.addresses.ip(body[5:9]) + body[9:10]


def ike_message(payload: bytes, has_marker: bool, replacements: Replacements) -> bytes | None:
    """A message: its header, the heads of its payloads and what they notify of stay. None if this is none."""
    if ike.ike_message(payload, has_marker) is None:
        return None
    begin = len(ike.NON_ESP_MARKER) if has_marker else 0
    new = bytearray(replaced(payload, replacements.key))
    new[: begin + ike.HEADER] = payload[: begin + ike.HEADER]
    for part in ike.heads_of_payloads(payload[begin:]):
        new[begin + part.start : begin + part.stop] = payload[begin + part.start : begin + part.stop]
    return bytes(new)


def vrrp_message(message: bytes, is_v6: bool, replacements: Replacements) -> bytes | None:
    """An advertisement; equal passwords become equal ones. None if this is none."""
    content = vrrp.advertisement(message, is_v6)
    if content is None:
        return None
    new, size = bytearray(message), 16 if is_v6 else 4
    end = vrrp.HEADER + size * len(content.addresses)
    for at in range(vrrp.HEADER, end, size):
        new[at : at + size] = replacements.addresses.ip(message[at : at + size])
    new[end:] = letters(message[end:], replacements.key)
    return bytes(new)
