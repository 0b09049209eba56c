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

from capnet.jit.kernel import kernel
from capnet.wire.formats.record import (
    AT,
    CAPLEN,
    DAMAGE,
    FULL,
    LINKTYPE,
    MAX_CAPLEN,
    MAX_SECONDS,
    MORE,
    NUMBER,
    POINT,
    TIME,
    WIDTH,
    WIRELEN,
)
from capnet.wire.octets import u32

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


# Reading goes on behind damage only where records certainly begin again. Any 16 octets may look like a header, and a
# frame may hold a whole capture; so many headers in a row, each where the one before says, are no accident.
CHAIN = 64
CHAIN_TO_END = 3  # enough when the last one ends exactly where the file does
DAY = 86_400


def resume(buffer: bytearray, pos: int, end: int, head: PcapHeader, last: int, whole: bool) -> tuple[int, int] | None:
    """(offset, records seen in a row there) where records certainly begin again behind `pos`, or None.

    `last`: time of the record before, in ns; `whole`: the file ends at `end`. A damaged header hides one frame, so the
    search ends where the largest possible one would.
    """
    for at in range(pos + 1, min(pos + MAX_CAPLEN + 2 * HEADER, end)):
        found = 0
        following = at
        while found < CHAIN and (behind := _behind_record(buffer, following, end, head, last)):
            found += 1
            following = behind
        if found == CHAIN or (whole and found >= CHAIN_TO_END and following == end):
            return at, found
    return None


def _behind_record(buffer: bytearray, at: int, end: int, head: PcapHeader, last: int) -> int:
    """Offset behind the record at `at`, or 0 if it is none that could follow one of time `last`, or does not fit."""
    size = head.record_header & 255
    if at + size > end:
        return 0
    seconds, fraction, *lengths = struct.unpack_from(">IIII" if head.big else "<IIII", buffer, at)
    caplen, wirelen = lengths if head.record_header == size else sorted(lengths)
    if abs(seconds - last // 1_000_000_000) > DAY or fraction * head.unit >= 1_000_000_000:
        return 0
    if not 0 < caplen <= wirelen or wirelen > MAX_CAPLEN or caplen > (head.snaplen or MAX_CAPLEN):
        return 0
    behind: int = at + size + caplen
    return behind if behind <= end else 0


@kernel
def walk(
    buf: Any,
    pos: int,
    end: int,
    big: int,
    unit: int,
    header: int,
    linktype: int,
    number: int,
    records: Any,
    room: int,
    out: Any,
) -> None:
    """Index the records of `buf[pos:end]`.

    `number`: frames before this. Writes up to `room` rows of `records`; `out` = number of records, position after them,
    how it ended, frames up to there, and -1.
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
        records[r + NUMBER] = number + n
        pos = at + caplen
    out[0] = n
    out[1] = pos
    out[2] = status
    out[3] = number + n
    out[4] = -1
