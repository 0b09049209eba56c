"""pcap files: a 24-byte header, then records.

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   +---------------------------------------------------------------+
   |                     timestamp (seconds)                       |
   |            timestamp (microseconds or nanoseconds)            |
   |                       captured length                         |
   |                       original length                         |
   +---------------------------------------------------------------+

draft-ietf-opsawg-pcap. Five kinds of magic number: either byte order, microseconds or nanoseconds, and the
"modified" format of old Linux tools, whose record header is 8 bytes longer. Version 2.4 is what everyone writes; before
2.3, and in DG/UX's 543.0, the two lengths were the other way round, and 2.3 has them either way.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from capnet.wire.kernel import kernel
from capnet.wire.octets import u32
from capnet.wire.records import (
    AT,
    CAPLEN,
    DAMAGE,
    FULL,
    LINKTYPE,
    MAX_CAPLEN,
    MAX_SECONDS,
    MORE,
    POINT,
    TIME,
    WIDTH,
    WIRELEN,
)

HEADER = 24
SWAPPED = 256  # in `record_header`: original length first
MAYBE_SWAPPED = 512  # the larger one is the original length, wherever it is
_MAGIC = {0xA1B2C3D4: (1000, 16), 0xA1B23C4D: (1, 16), 0xA1B2CD34: (1000, 24)}


@dataclass(frozen=True)
class PcapHeader:
    big: bool  # byte order
    unit: int  # ns per unit of the fractional timestamp
    record_header: int  # bytes before each frame, and perhaps one of SWAPPED and MAYBE_SWAPPED
    snaplen: int
    linktype: int


def is_pcap(head: bytes) -> bool:
    """Whether these first bytes are a pcap file's magic number."""
    return len(head) >= 4 and (
        int.from_bytes(head[:4], "big") in _MAGIC or int.from_bytes(head[:4], "little") in _MAGIC
    )


def parse_header(head: bytes) -> PcapHeader:
    """The file header. ValueError says what is wrong with it."""
    if len(head) < HEADER:
        raise ValueError(f"a pcap header is {HEADER} bytes, the file ends after {len(head)}")
    big = int.from_bytes(head[:4], "big") in _MAGIC
    magic, major, minor, _, _, snaplen, network = struct.unpack((">" if big else "<") + "IHHiIII", head[:HEADER])
    if major != 2 and (major, minor) != (543, 0):
        raise ValueError(f"pcap version {major}.{minor} is unknown (2.x is)")
    unit, record_header = _MAGIC[magic]
    if major == 543 or minor < 3:
        record_header |= SWAPPED
    elif minor == 3:
        record_header |= MAYBE_SWAPPED
    # The upper bits of the last word say whether frames end in a checksum (FCS); the type is below.
    return PcapHeader(big, unit, record_header, snaplen, network & 0xFFFF)


@kernel
def walk(
    buf: Any,
    pos: int,
    end: int,
    big: int,
    unit: int,
    header: int,
    linktype: int,
    records: Any,
    room: int,
    out: Any,
) -> None:
    """Index the records of `buf[pos:end]`.

    Writes up to `room` rows of `records`; `out` = number of records, position after them, how it ended.
    """
    n = 0
    status = MORE
    order = header & (SWAPPED | MAYBE_SWAPPED)
    header -= order
    while True:
        if n == room:
            status = FULL
            break
        if pos + header > end:
            break
        caplen = u32(buf, pos + 8, big)
        wirelen = u32(buf, pos + 12, big)
        if order and (order == SWAPPED or caplen > wirelen):
            caplen, wirelen = wirelen, caplen
        if caplen > MAX_CAPLEN:
            status = DAMAGE
            break
        at = pos + header
        if at + caplen > end:
            break
        seconds = u32(buf, pos, big)
        r = n * WIDTH
        records[r + AT] = at
        records[r + CAPLEN] = caplen
        records[r + WIRELEN] = wirelen
        records[r + TIME] = min(seconds, MAX_SECONDS) * 1_000_000_000 + u32(buf, pos + 4, big) * unit
        records[r + POINT] = 0
        records[r + LINKTYPE] = linktype
        n += 1
        pos = at + caplen
    out[0] = n
    out[1] = pos
    out[2] = status
