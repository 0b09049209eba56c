"""The record: where one captured frame lies in the buffer. What walkers write and the decoder reads.

A flat int64 array, WIDTH numbers per record.
"""

from __future__ import annotations

AT = 0  # offset in the buffer of the frame's first byte
CAPLEN = 1  # bytes captured (all of them in the buffer)
WIRELEN = 2
TIME = 3  # ns since 1970 UTC; -1 where the file has none (simple packet block)
POINT = 4  # index of the interface in this file, over all its sections
LINKTYPE = 5
WIDTH = 6

# How a walk ended.
MORE = 0  # the next record is not wholly in the buffer
FULL = 1  # no room for another record
OTHER = 2  # a pcapng block that is not a packet begins here
DAMAGE = 3  # what begins here cannot be a record

# Wireshark's own limit (WTAP_MAX_PACKET_SIZE_STANDARD): a larger captured length is damage, not a frame.
MAX_CAPLEN = 262144

# Times are clamped to 2262 and lengths are below 2**32: nothing a file says leaves 64 bits.
MAX_SECONDS = (1 << 63) // 1_000_000_000 - 1
