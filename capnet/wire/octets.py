"""Reads integers from bytes, and hashes integers, for kernels.

Nothing here checks bounds: callers compare offsets with the captured end first. Each result fits in a signed 64-bit
integer, so that interpreted and compiled code agree.
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray
from capnet.jit.inline import inline

MAX_CLAMPED = (1 << 62) - 1  # so that the sum of two such numbers fits
HALF = (1 << 31) - 1  # mask of the lower 31 bits
_LOW = 0x5BD1E995  # odd multipliers below 2**31: products of two halves stay below 2**62
_HIGH = 0x2C1B3C6D


# Sums and products, not shifts: compiled, a shifted byte would be unsigned, and an expression of unsigned and signed
# integers would become a floating-point number.


@inline
def u8(buf: ByteArray, at: int) -> int:
    """One octet."""
    return buf[at] + 0


@inline
def be16(buf: ByteArray, at: int) -> int:
    """16 bits, big-endian."""
    return buf[at] * 256 + buf[at + 1]


@inline
def be24(buf: ByteArray, at: int) -> int:
    """24 bits, big-endian."""
    return buf[at] * 65536 + buf[at + 1] * 256 + buf[at + 2]


@inline
def be32(buf: ByteArray, at: int) -> int:
    """32 bits, big-endian."""
    return buf[at] * 16777216 + buf[at + 1] * 65536 + buf[at + 2] * 256 + buf[at + 3]


@inline
def be48(buf: ByteArray, at: int) -> int:
    """48 bits, big-endian."""
    return (be16(buf, at) << 32) | be32(buf, at + 2)


@inline
def be64(buf: ByteArray, at: int) -> int:
    """Two's complement: the top bit is the sign, so that the value fits."""
    high = be32(buf, at)
    return ((high - ((high & 0x80000000) << 1)) << 32) | be32(buf, at + 4)


@inline
def le32(buf: ByteArray, at: int) -> int:
    """32 bits, little-endian."""
    return buf[at] + buf[at + 1] * 256 + buf[at + 2] * 65536 + buf[at + 3] * 16777216


@inline
def u32(buf: ByteArray, at: int, big: int) -> int:
    """32 bits in the file's byte order."""
    if big:
        return be32(buf, at)
    return le32(buf, at)


@inline
def u16(buf: ByteArray, at: int, big: int) -> int:
    """16 bits in the file's byte order."""
    if big:
        return be16(buf, at)
    return buf[at] + buf[at + 1] * 256


@inline
def mix(state: int, value: int) -> int:
    """One step of a 62-bit hash: the state after taking in a 64-bit value.

    The two 31-bit halves are multiplied separately, so that no product overflows: a compiler may assume that signed
    arithmetic never does.
    """
    state = (state ^ value ^ ((value >> 62) & 3)) & 0x3FFFFFFFFFFFFFFF
    state = ((state & HALF) * _LOW) ^ ((state >> 31) * _HIGH)
    state = state ^ (state >> 29)
    return state ^ ((state << 17) & 0x3FFFFFFFFFFFFFFF)


@inline
def clamped(high: int, low: int) -> int:
    """The number of 64 bits with these halves, at most MAX_CLAMPED."""
    return MAX_CLAMPED if high >= 1 << 30 else (high << 32) + low
