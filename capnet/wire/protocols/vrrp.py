"""VRRP, versions 2 (RFC 3768) and 3 (RFC 9568): what a master advertises.

| version| type | virtual router | priority      | addresses      |
| auth type or interval, 12 bits | version 2: interval | checksum |  then the addresses; version 2: a password (8)

CARP has the same protocol number, version and type; its messages have another length.
"""

from __future__ import annotations

from ipaddress import ip_address

from capnet.quick_tuple import NamedTuple

HEADER, PASSWORD = 8, 8
ADVERTISEMENT = 1
CENTISECONDS = 10  # ms


class Advertisement(NamedTuple):
    """What a master says of its virtual router."""

    version: int
    router: int
    priority: int  # 0: it gives up
    interval_ms: int
    password: bytes  # of version 2, with the type of authentication before it; else b""
    addresses: tuple[str, ...]


def advertisement(message: bytes, is_v6: bool) -> Advertisement | None:
    """The message in an IP packet's payload; None for what is none, or was cut."""
    if len(message) < HEADER or message[0] & 15 != ADVERTISEMENT:
        return None
    version, router, priority, count = message[0] >> 4, message[1], message[2], message[3]
    size = 16 if is_v6 else 4
    end = HEADER + count * size
    if version == 2 and not is_v6 and len(message) == end + PASSWORD:
        interval_ms, password = message[5] * 1000, message[4:5] + message[end:]
    elif version == 3 and len(message) == end:
        interval_ms, password = (int.from_bytes(message[4:6], "big") & 0x0FFF) * CENTISECONDS, b""
    else:
        return None
    if not router or not count or not interval_ms:
        return None
    addresses = tuple(str(ip_address(message[at : at + size])) for at in range(HEADER, end, size))
    return Advertisement(version, router, priority, interval_ms, password, addresses)
