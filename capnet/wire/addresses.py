"""MAC and IP addresses as rows hold them (48 bits; two signed halves of 128 bits), as text, and as keys."""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from ipaddress import IPv6Address

MAPPED = 0xFFFF << 32  # the LO half of ::ffff:0.0.0.0


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
    return _four(lo) if hi == 0 and lo >> 32 == 0xFFFF else _six(address_key(hi, lo))


# An address as bytes, whose hash in Python has a secret in it. That of a tuple of numbers has none: a capture can be
# full of addresses that fall into one place of a dictionary, which then takes the square of their number.
address_key = struct.Struct(">qq").pack


@lru_cache(maxsize=1 << 16)
def _four(lo: int) -> str:
    return f"{lo >> 24 & 255}.{lo >> 16 & 255}.{lo >> 8 & 255}.{lo & 255}"


@lru_cache(maxsize=1 << 16)
def _six(key: bytes) -> str:
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
