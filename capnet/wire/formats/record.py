"""Columns of the record table: where each captured frame lies in the buffer.

The walkers write it and the decoder reads it: a flat int64 array, WIDTH numbers for each record.
Here too: how a walk ends, the bounds of both formats, and the tally of each interface.
"""

from __future__ import annotations

from capnet.jit.arrays import Int64Array
from capnet.jit.kernel import kernel

AT = 0  # offset in the buffer of the frame's first byte
CAPLEN = 1  # bytes captured; all of them are in the buffer
WIRELEN = 2  # bytes on the wire
TIME = 3  # ns since 1970 UTC; -1 if the file has none (simple packet block)
POINT = 4  # index of the interface in this file, over all its sections
LINKTYPE = 5
NUMBER = 6  # 1-based in its file, as Wireshark counts
WIDTH = 7

# How a walk ended.
MORE = 0  # the next record is not wholly in the buffer
FULL = 1  # the record table is full
OTHER = 2  # a pcapng block that is not a packet begins here
DAMAGE = 3  # no record can begin here

# Wireshark's limit (WTAP_MAX_PACKET_SIZE_STANDARD): a larger captured length is damage.
MAX_CAPLEN = 262144

# Wireshark's limit for a pcapng block, 16 MiB: a length in a file cannot make us allocate more.
MAX_BLOCK = 16 << 20

# 2262 CE. Times are clamped to it and lengths are below 2**32: no value of a file exceeds 64 bits.
MAX_SECONDS = (1 << 63) // 1_000_000_000 - 1

# Columns of the tally: what each interface captured so far.
TALLY_PACKETS = 0
TALLY_BYTES = 1  # on the wire
TALLY_FIRST = 2  # ns; -1 until a frame has a time
TALLY_LAST = 3
TALLY_WIDTH = 4


@kernel
def tally(records: Int64Array, count: int, tallies: Int64Array) -> None:
    """Add `count` records to the tally of their interface."""
    for i in range(count):
        r = i * WIDTH
        t = records[r + POINT] * TALLY_WIDTH
        tallies[t + TALLY_PACKETS] += 1
        tallies[t + TALLY_BYTES] += records[r + WIRELEN]
        time = records[r + TIME]
        if time >= 0:
            if tallies[t + TALLY_FIRST] < 0 or time < tallies[t + TALLY_FIRST]:
                tallies[t + TALLY_FIRST] = time
            tallies[t + TALLY_LAST] = max(tallies[t + TALLY_LAST], time)
