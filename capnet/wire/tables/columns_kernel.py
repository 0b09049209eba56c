"""Copies fields of rows into columns of 8 to 64 bits: the kernel of `frames`.

It goes through CHUNK rows at a time, column by column: so many rows stay in the processor's first cache.
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire import fields

# Of each column: the field; where its first value is put, in values; where its first octet of `is_there` is.
FIELD, AT, MASK, WIDTH = 0, 1, 2, 3
NEVER = -1  # MASK of columns of which no value is missing
CHUNK = 64  # rows: 26 KB


@kernel
def put_columns(
    rows: Int64Array,
    n: int,
    first: int,
    columns: Int64Array,
    of_8: int,
    of_16: int,
    of_32: int,
    of_64: int,
    octets: ByteArray,
    words: Int64Array,
    is_there: ByteArray,
) -> None:
    """Put columns of the rows 0..n behind the `first` rows that are there already.

    `columns`: first those of 8 bits, then those of 16, 32 and 64, and how many of each. Those of 64 bits go to `words`,
    others to `octets`, little-endian. `is_there`: an octet for each value, 0 where it is negative, and so missing.
    """
    count = of_8 + of_16 + of_32 + of_64
    for begin in range(0, n, CHUNK):
        end = min(begin + CHUNK, n)
        for c in range(count):
            field = columns[c * WIDTH + FIELD]
            at = columns[c * WIDTH + AT] + first
            if c < of_8:
                for i in range(begin, end):
                    octets[at + i] = rows[i * fields.WIDTH + field] & 255
            elif c < of_8 + of_16:
                for i in range(begin, end):
                    put_16(octets, 2 * (at + i), rows[i * fields.WIDTH + field])
            elif c < of_8 + of_16 + of_32:
                for i in range(begin, end):
                    put_16(octets, 4 * (at + i), rows[i * fields.WIDTH + field])
                    put_16(octets, 4 * (at + i) + 2, rows[i * fields.WIDTH + field] >> 16)
            else:
                for i in range(begin, end):
                    words[at + i] = rows[i * fields.WIDTH + field]
            mask_at = columns[c * WIDTH + MASK]
            if mask_at >= 0:
                for i in range(begin, end):
                    is_there[mask_at + first + i] = 1 if rows[i * fields.WIDTH + field] >= 0 else 0


@inline
def put_16(octets: ByteArray, at: int, value: int) -> None:
    """The lowest 16 bits of a value, little-endian."""
    octets[at] = value & 255
    octets[at + 1] = (value >> 8) & 255
