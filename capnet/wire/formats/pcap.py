"""Reads pcap files: a 24-byte header, then records (draft-ietf-opsawg-pcap; `pcap_walk` draws a record).

The magic number says the byte order and whether times are in microseconds or nanoseconds. It also tells the
"modified" format of old Linux tools, whose record header is 8 bytes longer.
Version 2.4 is the usual one. Before 2.3, and in DG/UX's 543.0, the two lengths are swapped; 2.3 has them either way.
"""

from __future__ import annotations

import struct

from capnet.jit.arrays import Int64Array
from capnet.jit.kernel import Machine
from capnet.quick_dataclass import value
from capnet.quick_tuple import NamedTuple
from capnet.wire.formats import pcap_walk, record
from capnet.wire.formats.byte_source import ByteSource
from capnet.wire.formats.file_reader import FileReader
from capnet.wire.formats.reader import CaptureInterface, Decoder

HEADER = 24  # bytes of the file header
_MAGIC = {0xA1B2C3D4: (1000, 16), 0xA1B23C4D: (1, 16), 0xA1B2CD34: (1000, 24)}  # (unit, record header)

# Reading goes on behind damage only where records certainly begin. Any 16 octets may look like a record header, and a
# frame may hold a whole capture; so many headers in a row, each where the one before ends, are no accident.
MIN_CHAIN = 64
MIN_CHAIN_TO_END = 3  # enough if the last record ends exactly where the file ends
MAX_TIME_STEP = 86_400  # seconds between the records before and behind damage
# Bytes that are read behind damage to find records, and how often in one file: both bound the time for a hostile file.
MAX_SEARCHED = 2 << 20
MAX_GAPS = 20


@value
class PcapHeader:
    """The header of a pcap file.

    `record_header`: bytes before each frame, and perhaps one of `pcap_walk.SWAPPED` and `MAYBE_SWAPPED`.
    """

    big: bool  # byte order
    unit: int  # ns per unit of the fractional timestamp
    record_header: int
    snaplen: int
    linktype: int


class Resumption(NamedTuple):
    """Where records begin again: offset in the buffer, and how many in a row were seen there."""

    at: int
    records: int


class PcapReader(FileReader):
    """Reads a pcap file. ValueError says what is wrong with its header."""

    format = "pcap"

    def __init__(self, source: ByteSource, machine: Machine, decoder: Decoder) -> None:
        super().__init__(source, machine, decoder)
        source.ensure(HEADER)
        self.header = parse_header(bytes(source.buffer[source.pos : min(source.end, source.pos + HEADER)]))
        self.big = self.header.big
        source.pos += HEADER
        self._add_interface(CaptureInterface(self.header.linktype, self.header.snaplen))

    def _walk(self, records: Int64Array, room: int, out: Int64Array) -> None:
        source, header = self._source, self.header
        self.machine.run(pcap_walk.walk)(
            self.machine.bytes(source.buffer), source.pos, source.end, int(header.big), header.unit,
            header.record_header, header.linktype, self._numbered, records, room, out,
        )  # fmt: skip

    def _can_pass(self, status: int) -> bool:
        return False  # behind damage, more is read to find records

    def _pass(self, status: int) -> bool:
        """Go on where records certainly begin again, or report that reading ends."""
        source = self._source
        says = "what begins here cannot be a record; nothing behind it was read"
        last = int(self._tallies[record.TALLY_LAST :: record.TALLY_WIDTH].max())
        if last >= 0 and len(self.problems) < MAX_GAPS:
            while source.end - source.pos < MAX_SEARCHED and source.read_more(record.MAX_BLOCK):
                pass
            resumption = resume(source.buffer, source.pos, source.end, self.header, last, source.ended)
            if resumption:
                skipped = resumption.at - source.pos
                says = (
                    f"what begins here cannot be a record; {skipped} bytes further on, at offset "
                    f"{source.offset + skipped}, {resumption.records} records in a row begin, and reading went on "
                    f"there. Wireshark does not: frames from number {self._numbered + 1} on have it here alone"
                )
                self._report("damaged-file", says)
                source.pos = resumption.at
                return True
        self._report("damaged-file", says)
        return False


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
        record_header |= pcap_walk.SWAPPED
    elif minor == 3:
        record_header |= pcap_walk.MAYBE_SWAPPED
    # The upper bits of the last word say whether frames end in a checksum (FCS); the link type is in the lower ones.
    return PcapHeader(big, unit, record_header, snaplen, network & 0xFFFF)


def resume(buffer: bytearray, pos: int, end: int, header: PcapHeader, last: int, whole: bool) -> Resumption | None:
    """Where records certainly begin again behind `pos`; None if nowhere.

    `last`: time of the record before, in ns; `whole`: the file ends at `end`. A damaged header hides one frame, so the
    search ends where the largest possible frame would end.
    """
    for at in range(pos + 1, min(pos + record.MAX_CAPLEN + 2 * HEADER, end)):
        count = 0
        behind = at
        while count < MIN_CHAIN and (following := _behind_record(buffer, behind, end, header, last)):
            count += 1
            behind = following
        if count == MIN_CHAIN or (whole and count >= MIN_CHAIN_TO_END and behind == end):
            return Resumption(at, count)
    return None


def _behind_record(buffer: bytearray, at: int, end: int, header: PcapHeader, last: int) -> int:
    """Offset behind the record at `at`; 0 if it does not fit or cannot follow a record of time `last`."""
    size = header.record_header & 255
    if at + size > end:
        return 0
    seconds, fraction, *lengths = struct.unpack_from(">IIII" if header.big else "<IIII", buffer, at)
    caplen, wirelen = lengths if header.record_header == size else sorted(lengths)
    if abs(seconds - last // 1_000_000_000) > MAX_TIME_STEP or fraction * header.unit >= 1_000_000_000:
        return 0
    if not 0 < caplen <= wirelen or wirelen > record.MAX_CAPLEN or caplen > (header.snaplen or record.MAX_CAPLEN):
        return 0
    behind: int = at + size + caplen
    return behind if behind <= end else 0
