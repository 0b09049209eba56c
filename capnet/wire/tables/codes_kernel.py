"""Numbers the distinct values of columns: the kernel of `codes`."""

from __future__ import annotations

from capnet.jit.arrays import Int64Array
from capnet.jit.kernel import kernel
from capnet.wire import fields
from capnet.wire.octets import mix


@kernel
def number_values(
    rows: Int64Array,
    n: int,
    high_at: int,
    low_at: int,
    layers: int,
    secret: int,
    slots: Int64Array,
    mask: int,
    values: Int64Array,
    count: Int64Array,
    codes: Int64Array,
) -> None:
    """`codes`[i] = number of the value in row i, from 0 in order of first sight; -1 = missing.

    The value is column `low_at`, with `high_at` above it unless that is -1. It is there if the row has any of `layers`,
    or where that is 0, if it is not negative. `slots`: a hash table of `mask` + 1 numbers + 1. `values`: pairs, by
    number. `count`[0]: how many there are.
    """
    last, last_high, last_low = -1, 0, 0
    for i in range(n):
        r = i * fields.WIDTH
        low = rows[r + low_at]
        is_there = rows[r + fields.LAYERS] & layers != 0 if layers > 0 else low >= 0
        if not is_there:
            codes[i] = -1
            continue
        high = rows[r + high_at] if high_at >= 0 else 0
        if last >= 0 and low == last_low and high == last_high:
            codes[i] = last
            continue
        slot = mix(mix(secret, high), low) & mask
        code = slots[slot] - 1
        while code >= 0 and (values[2 * code] != high or values[2 * code + 1] != low):
            slot = (slot + 1) & mask
            code = slots[slot] - 1
        if code < 0:
            code = count[0]
            count[0] = code + 1
            slots[slot] = code + 1
            values[2 * code] = high
            values[2 * code + 1] = low
        codes[i] = code
        last, last_high, last_low = code, high, low
