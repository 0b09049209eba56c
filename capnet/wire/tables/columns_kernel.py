"""Copies fields of rows into columns of 8 to 64 bits: the kernel of `frames`."""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire import fields

# Of each column: the field; where its first value is put, in values; where its first octet of `is_there` is.
FIELD, AT, THERE, WIDTH = 0, 1, 2, 3
ABSENT, NEVER = -1, -1  # what is missing: values below 0; THERE of columns of which none is missing


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
    for i in range(n):
        r = i * fields.WIDTH
        k = 0
        for _ in range(of_8):
            value = present(rows[r + columns[k + FIELD]], columns[k + THERE], first + i, is_there)
            octets[columns[k + AT] + first + i] = value & 255
            k += WIDTH
        for _ in range(of_16):
            value = present(rows[r + columns[k + FIELD]], columns[k + THERE], first + i, is_there)
            at = 2 * (columns[k + AT] + first + i)
            octets[at] = value & 255
            octets[at + 1] = (value >> 8) & 255
            k += WIDTH
        for _ in range(of_32):
            value = present(rows[r + columns[k + FIELD]], columns[k + THERE], first + i, is_there)
            at = 4 * (columns[k + AT] + first + i)
            octets[at] = value & 255
            octets[at + 1] = (value >> 8) & 255
            octets[at + 2] = (value >> 16) & 255
            octets[at + 3] = (value >> 24) & 255
            k += WIDTH
        for _ in range(of_64):
            value = rows[r + columns[k + FIELD]]
            words[columns[k + AT] + first + i] = present(value, columns[k + THERE], first + i, is_there)
            k += WIDTH


@inline
def present(value: int, mask_at: int, row: int, is_there: ByteArray) -> int:
    """The value; whether it is there is noted at `there` + `row`, unless `there` is NEVER."""
    if mask_at >= 0:
        is_there[mask_at + row] = 1 if value >= 0 else 0
    return value
