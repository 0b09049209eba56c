"""The kernel that writes frames as Enhanced Packet Blocks without options (draft-ietf-opsawg-pcapng, section 4.3)."""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.kernel import kernel
from capnet.wire.formats import pcapng
from capnet.wire.formats.pcapng_emit import copy, put32, zero

# Columns of the table of frames to write.
AT = 0  # offset in the buffer of the frame's first byte
CAPLEN = 1
WIRELEN = 2
TIME = 3  # ns since 1970
INTERFACE = 4
OUT = 5  # where its block begins in the output
WIDTH = 6

OVERHEAD = pcapng.PACKET_HEADER + 4  # bytes of a block beside the padded frame


@kernel
def put_packets(buf: ByteArray, table: Int64Array, count: int, out: ByteArray) -> None:
    """Writes the blocks of `count` frames, little endian, each where its row says."""
    for k in range(count):
        t = k * WIDTH
        begin = table[t + OUT]
        caplen = table[t + CAPLEN]
        time = table[t + TIME]
        padded = (caplen + 3) & ~3
        length = padded + OVERHEAD
        put32(out, begin, pcapng.ENHANCED_PACKET, 0)
        put32(out, begin + 4, length, 0)
        put32(out, begin + 8, table[t + INTERFACE], 0)
        put32(out, begin + 12, time >> 32, 0)
        put32(out, begin + 16, time & 0xFFFFFFFF, 0)
        put32(out, begin + 20, caplen, 0)
        put32(out, begin + 24, table[t + WIRELEN], 0)
        copy(buf, table[t + AT], caplen, out, begin + pcapng.PACKET_HEADER)
        zero(out, begin + pcapng.PACKET_HEADER + caplen, padded - caplen)
        put32(out, begin + length - 4, length, 0)
