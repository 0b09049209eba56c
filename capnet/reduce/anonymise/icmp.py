"""Replaces addresses in ICMP and ICMPv6 (RFC 792, 4443), Neighbor Discovery (RFC 4861), MLD and IGMP."""

from __future__ import annotations

from capnet.reduce.anonymise.addresses import Addresses
from capnet.reduce.anonymise.checksums import Repair
from capnet.reduce.anonymise.octets import replaced

HEADER = 8
_ERRORS, _ERRORS_V6 = (3, 4, 5, 11, 12), (1, 2, 3, 4)
_REDIRECT = 5
_MLD, _RS, _RA, _NS, _NA, _REDIRECT_V6, _MLD_REPORT = (130, 131, 132), 133, 134, 135, 136, 137, 143
_FIXED = {_RS: 8, _RA: 16, _NS: 24, _NA: 24, _REDIRECT_V6: 40}  # octets before the options
_LINK_ADDRESS, _PREFIX, _MTU, _SERVERS = (1, 2), 3, 5, 25
_PORTS = {6: 20, 17: 8, 1: 8, 58: 8}  # protocol → octets of a quoted header that stay


def icmp(old: bytes, new: bytearray, at: int, end: int, addresses: Addresses, key: bytes) -> None:
    """The message from `at` to `end`, which is ICMP for IPv4."""
    new[at : at + HEADER] = old[at : min(at + HEADER, end)]
    if at + HEADER > end:
        return
    if old[at] in _ERRORS:
        if old[at] == _REDIRECT:
            new[at + 4 : at + 8] = addresses.ip(old[at + 4 : at + 8])
        quoted(old, new, at + HEADER, end, addresses, key)
    else:
        new[at + HEADER : end] = replaced(old[at + HEADER : end], key)


def icmpv6(old: bytes, new: bytearray, at: int, end: int, addresses: Addresses, key: bytes) -> None:
    """The message from `at` to `end`, which is ICMP for IPv6."""
    new[at : at + HEADER] = old[at : min(at + HEADER, end)]
    if at + HEADER > end:
        return
    kind = old[at]
    if kind in _ERRORS_V6:
        quoted(old, new, at + HEADER, end, addresses, key)
    elif kind in _FIXED and at + _FIXED[kind] <= end:
        new[at : at + _FIXED[kind]] = old[at : at + _FIXED[kind]]
        for target in range(at + 8, at + _FIXED[kind], 16) if kind not in (_RS, _RA) else ():
            new[target : target + 16] = addresses.ip(old[target : target + 16])
        _options(old, new, at + _FIXED[kind], end, addresses, key)
    elif kind in _MLD and at + 24 <= end:
        new[at:end] = old[at:end]
        for group in (at + 8, *range(at + 28, end - 15, 16)):  # MLDv2 queries name sources behind the group
            new[group : group + 16] = addresses.ip(old[group : group + 16])
    elif kind == _MLD_REPORT:
        _report(old, new, at + HEADER, end, addresses, 16)
    else:
        new[at + HEADER : end] = replaced(old[at + HEADER : end], key)


def igmp(old: bytes, new: bytearray, at: int, end: int, addresses: Addresses, key: bytes) -> None:
    """An IGMP message (RFC 9776); groups are multicast addresses, which stay."""
    new[at : at + HEADER] = old[at : min(at + HEADER, end)]
    if at < end and old[at] == 0x22:
        _report(old, new, at + HEADER, end, addresses, 4)
    else:
        new[at + HEADER : end] = replaced(old[at + HEADER : end], key)


def quoted(old: bytes, new: bytearray, ip: int, end: int, addresses: Addresses, key: bytes) -> None:
    """The packet that an error quotes, as far as it was captured: addresses, and ports, which stay."""
    if ip + 20 > end or old[ip] >> 4 not in (4, 6):
        new[ip:end] = replaced(old[ip:end], key)
        return
    is_v6 = old[ip] >> 4 == 6
    at = ip + 40 if is_v6 else ip + 4 * (old[ip] & 15)
    if at > end:
        new[ip:end] = replaced(old[ip:end], key)
        return
    new[ip:at] = old[ip:at]
    size = 16 if is_v6 else 4
    for address in (at - 2 * size, at - size) if is_v6 else (ip + 12, ip + 16):
        new[address : address + size] = addresses.ip(old[address : address + size])
    protocol = old[ip + 6] if is_v6 else old[ip + 9]
    is_later = not is_v6 and (int.from_bytes(old[ip + 6 : ip + 8]) & 0x1FFF) > 0
    kept = min(at + (0 if is_later else _PORTS.get(protocol, 0)), end)
    new[at:kept] = old[at:kept]
    new[kept:end] = replaced(old[kept:end], key)
    repair = Repair(old, new)
    if not is_v6:
        repair.header(ip)
    if not is_later:
        repair.transport(ip, at, end, protocol)


def _options(old: bytes, new: bytearray, at: int, end: int, addresses: Addresses, key: bytes) -> None:
    """Options of Neighbor Discovery."""
    while at + 8 <= end and old[at + 1]:
        following = min(at + 8 * old[at + 1], end)
        kind, value = old[at], old[at + 2 : following]
        new[at : at + 2] = old[at : at + 2]
        if kind in _LINK_ADDRESS and len(value) >= 6:
            value = addresses.mac(value[:6]) + replaced(value[6:], key)
        elif kind == _PREFIX and len(value) == 30:
            prefix = addresses.ip(value[14:22] + bytes(7) + b"\1")
            value = value[:14] + prefix[:8] + bytes(8)
        elif kind == _SERVERS and len(value) % 16 == 6:
            value = value[:6] + b"".join(addresses.ip(value[each : each + 16]) for each in range(6, len(value), 16))
        elif kind != _MTU:
            value = replaced(value, key)
        new[at + 2 : following] = value
        at = following


def _report(old: bytes, new: bytearray, at: int, end: int, addresses: Addresses, size: int) -> None:
    """Group records of a report of IGMPv3 or MLDv2: type, length of auxiliary data, sources, group."""
    while at + 4 + size <= end:
        count = int.from_bytes(old[at + 2 : at + 4])
        following = min(at + 4 + size * (1 + count), end)
        new[at : at + 4] = old[at : at + 4]
        for address in range(at + 4, following - size + 1, size):
            new[address : address + size] = addresses.ip(old[address : address + size])
        at = following + 4 * old[at + 1]
