"""The record: where one captured frame lies in the buffer. What walkers write and the decoder reads.

A flat int64 array, WIDTH numbers per record.
"""

from __future__ import annotations

from typing import Any

from capnet.jit.kernel import kernel

AT = 0  # offset in the buffer of the frame's first byte
CAPLEN = 1  # bytes captured (all of them in the buffer)
WIRELEN = 2
TIME = 3  # ns since 1970 UTC; -1 where the file has none (simple packet block)
POINT = 4  # index of the interface in this file, over all its sections
LINKTYPE = 5
NUMBER = 6  # 1-based in its file, as Wireshark counts
WIDTH = 7

# How a walk ended.
MORE = 0  # the next record is not wholly in the buffer
FULL = 1  # no room for another record
OTHER = 2  # a pcapng block that is not a packet begins here
DAMAGE = 3  # what begins here cannot be a record

# Wireshark's own limit (WTAP_MAX_PACKET_SIZE_STANDARD): a larger captured length is damage, not a frame.
MAX_CAPLEN = 262144

# Times are clamped to 2262 and lengths are below 2**32: nothing a file says leaves 64 bits.
MAX_SECONDS = (1 << 63) // 1_000_000_000 - 1

# Columns of the tally: what each interface has heard.
TALLY_PACKETS = 0
TALLY_BYTES = 1  # on the wire
TALLY_FIRST = 2  # ns, -1 = nothing with a time yet
TALLY_LAST = 3
TALLY_WIDTH = 4


@kernel
def tally(records: Any, count: int, tallies: Any) -> None:
    """Add `count` records to the row of their interface."""
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
