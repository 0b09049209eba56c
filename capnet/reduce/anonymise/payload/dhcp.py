"""Replaces addresses and names in a DHCP message (RFC 2131, options of RFC 2132)."""

from __future__ import annotations

from capnet.reduce.anonymise.addresses import Addresses
from capnet.reduce.anonymise.names import NameMap
from capnet.reduce.anonymise.octets import replaced

_COOKIE_AT, _OPTIONS_AT = 236, 240
_COOKIE = bytes.fromhex("63825363")
_ADDRESSES_AT = (12, 16, 20, 24)  # ciaddr, yiaddr, siaddr, giaddr
_CHADDR = 28
_OF_ADDRESSES = (3, 4, 5, 6, 28, 42, 44, 50, 54)  # options that are IPv4 addresses: routers, name servers, server id …
_OF_NAMES = (12, 15, 81)  # host name, domain, FQDN
_CLIENT_ID, _PAD, _END = 61, 0, 255
_KEPT = (1, 23, 26, 51, 52, 53, 55, 57, 58, 59)  # numbers: mask, TTL, MTU, times, kind of message


def dhcp_message(message: bytes, addresses: Addresses, names: NameMap, key: bytes) -> bytes | None:
    """The new message, as long as the old one; None if this is none."""
    if len(message) < _OPTIONS_AT or message[_COOKIE_AT:_OPTIONS_AT] != _COOKIE or message[0] not in (1, 2):
        return None
    new = bytearray(message)
    for at in _ADDRESSES_AT:
        new[at : at + 4] = addresses.ip(message[at : at + 4])
    if message[2] == 6:
        new[_CHADDR : _CHADDR + 6] = addresses.mac(message[_CHADDR : _CHADDR + 6])
    new[_CHADDR + 16 : _COOKIE_AT] = bytes(_COOKIE_AT - _CHADDR - 16)  # names of server and boot file
    at = _OPTIONS_AT
    while at + 1 < len(message) and message[at] != _END:
        if message[at] == _PAD:
            at += 1
            continue
        end = min(at + 2 + message[at + 1], len(message))
        new[at + 2 : end] = _option(message[at], message[at + 2 : end], addresses, names, key)
        at = end
    new[at + 1 :] = replaced(message[at + 1 :], key)  # behind the end: padding, if it is a message as it should be
    return bytes(new)


def _option(code: int, value: bytes, addresses: Addresses, names: NameMap, key: bytes) -> bytes:
    if code in _KEPT:
        return value
    if code in _OF_ADDRESSES and len(value) % 4 == 0:
        return b"".join(addresses.ip(value[at : at + 4]) for at in range(0, len(value), 4))
    if code in _OF_NAMES:
        return names.octets(value)
    if code == _CLIENT_ID and len(value) == 7 and value[0] == 1:
        return value[:1] + addresses.mac(value[1:])
    return replaced(value, key)
