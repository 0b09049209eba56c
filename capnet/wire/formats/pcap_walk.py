"""The kernel that indexes the records of a pcap file.

 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+---------------------------------------------------------------+
|                     timestamp (seconds)                       |
|            timestamp (microseconds or nanoseconds)            |
|                       captured length                         |
|                       original length                         |
+---------------------------------------------------------------+
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.kernel import kernel
from capnet.wire.formats import record
from capnet.wire.octets import u32

# Added to the length of a record header.
SWAPPED = 256  # the original length comes first
MAYBE_SWAPPED = 512  # the larger one is the original length


@kernel
def walk(
    buf: ByteArray,
    pos: int,
    end: int,
    big: int,
    unit: int,
    header: int,
    linktype: int,
    number: int,
    records: Int64Array,
    room: int,
    out: Int64Array,
) -> None:
    """Index the records of `buf[pos:end]`, at most `room`.

    `unit`: ns per unit of the fractional timestamp. `header`: bytes of a record header, and perhaps one of SWAPPED and
    MAYBE_SWAPPED. `number`: frames before these. `out` = number of records, position after them, how it ended, frames
    up to there, and -1.
    """
    n = 0
    status = record.MORE
    order = header & (SWAPPED | MAYBE_SWAPPED)
    header -= order
    while True:
        if n == room:
            status = record.FULL
            break
        if pos + header > end:
            break
        caplen = u32(buf, pos + 8, big)
        wirelen = u32(buf, pos + 12, big)
        if order and (order == SWAPPED or caplen > wirelen):
            caplen, wirelen = wirelen, caplen
        if caplen > record.MAX_CAPLEN:
            status = record.DAMAGE
            break
        at = pos + header
        if at + caplen > end:
            break
        seconds = u32(buf, pos, big)
        r = n * record.WIDTH
        records[r + record.AT] = at
        records[r + record.CAPLEN] = caplen
        records[r + record.WIRELEN] = wirelen
        records[r + record.TIME] = min(seconds, record.MAX_SECONDS) * 1_000_000_000 + u32(buf, pos + 4, big) * unit
        records[r + record.POINT] = 0
        records[r + record.LINKTYPE] = linktype
        n += 1
        records[r + record.NUMBER] = number + n
        pos = at + caplen
    out[0] = n
    out[1] = pos
    out[2] = status
    out[3] = number + n
    out[4] = -1
