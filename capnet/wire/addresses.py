"""Converts MAC and IP addresses between text and the integers of rows: 48 bits; two signed halves of 128 bits."""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from ipaddress import IPv6Address

MAPPED = 0xFFFF << 32  # the LO half of ::ffff:0.0.0.0


@lru_cache(maxsize=1 << 16)
def mac_text(value: int) -> str:
    """48-bit integer → `02:42:ac:11:00:02`."""
    return (value & 0xFFFFFFFFFFFF).to_bytes(6, "big").hex(":")


def mac_value(text: str) -> int:
    """`02:42:ac:11:00:02` → 48-bit integer. ValueError if it is not a MAC address."""
    digits = text.replace(":", "").replace("-", "")
    if len(digits) != 12:
        raise ValueError(f"not a MAC address: {text!r}")
    return int(digits, 16)


def address_text(hi: int, lo: int) -> str:
    """The two halves → `172.17.0.2` or `fe80::1` (RFC 5952)."""
    return _ipv4_text(lo) if hi == 0 and lo >> 32 == 0xFFFF else _ipv6_text(address_key(hi, lo))


# The two halves as bytes, a key for dictionaries. Python puts a secret into the hash of bytes, but not into that of a
# tuple of integers: a capture could hold addresses whose tuples collide, and n of them would take n² steps.
address_key = struct.Struct(">qq").pack


@lru_cache(maxsize=1 << 16)
def _ipv4_text(lo: int) -> str:
    return f"{lo >> 24 & 255}.{lo >> 16 & 255}.{lo >> 8 & 255}.{lo & 255}"


@lru_cache(maxsize=1 << 16)
def _ipv6_text(key: bytes) -> str:
    return str(IPv6Address(key))


_IPV4 = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})(?:\.(?!$)|$)){4}")


@lru_cache(maxsize=1 << 16)
def address_value(text: str) -> tuple[int, int]:
    """`172.17.0.2` or `fe80::1` → the two signed halves. ValueError if it is no address."""
    if _IPV4.fullmatch(text):
        return 0, MAPPED | int.from_bytes(bytes(map(int, text.split("."))), "big")
    if ":" not in text:
        raise ValueError(f"not an IP address: {text!r}")
    whole = int(IPv6Address(text))
    hi, lo = whole >> 64, whole & 0xFFFFFFFFFFFFFFFF
    return hi - ((hi >> 63) << 64), lo - ((lo >> 63) << 64)
