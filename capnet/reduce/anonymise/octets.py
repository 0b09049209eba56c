"""Sums of the Internet checksum (RFC 1071), and octets that replace a payload."""

from __future__ import annotations

from hashlib import blake2b

_LETTERS = bytes(ord("p") + value % 11 for value in range(256))  # 0x70 and more: no version of IP begins so


def total(octets: bytes | bytearray | memoryview) -> int:
    """The one's complement sum of 16-bit words; an odd octet at the end is the upper half of one."""
    padded = bytes(octets) + b"\0" if len(octets) % 2 else bytes(octets)
    return folded(sum(int.from_bytes(padded[at : at + 2]) for at in range(0, len(padded), 2)))


def folded(value: int) -> int:
    """A sum of 16-bit words as one word. 0xFFFF stands for zero too."""
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return value


def replaced(octets: bytes, key: bytes) -> bytes:
    """Letters in place of a payload: equal ones for equal payloads, with the same sum, so that checksums stay right.

    Zeros at the end stay, as the padding of short frames. `key`: without it, a payload cannot be found by trying.
    """
    body = octets.rstrip(b"\0")
    new = bytearray(letters(body, key))
    if len(new) >= 4:
        at = (len(new) - 2) & ~1
        new[at : at + 2] = b"\0\0"
        rest = folded(total(body) + (0xFFFF ^ total(new))) % 0xFFFF
        new[at : at + 2] = rest.to_bytes(2)
    return bytes(new) + octets[len(body) :]


def letters(octets: bytes, key: bytes) -> bytes:
    """As `replaced`, but with another sum, which would give away a part of what is short and secret."""
    body = octets.rstrip(b"\0")
    pattern = blake2b(body, key=key, digest_size=32).digest().translate(_LETTERS)
    return (pattern * (len(body) // 32 + 1))[: len(body)] + octets[len(body) :]
