"""What a capture invents costs little memory each: stations are summed up where they are counted."""

import random
import struct
from pathlib import Path

from tests.bench.floods import frame, write
from tests.wire.test_streams import peak

PACKET = struct.pack("!BBHHHBBHII", 0x45, 0, 28, 1, 0, 64, 17, 0, 0x0A000001, 0x0A000002) + bytes(8)
EACH = 340  # bytes at the most


def test_invented_stations_cost_little_memory(tmp_path: Path) -> None:
    """Always the same packet, each time between two new MAC addresses."""
    some, found = random.Random(1), []
    for count in (1000, 200_000):
        path = tmp_path / f"{count}.pcap"
        write(path, (frame(some.randbytes(6), some.randbytes(6), 0x800, PACKET) for _ in range(count)))
        packets, mib = peak(path)
        assert packets == count
        found.append(mib)
    assert (found[1] - found[0]) << 20 < 2 * 199_000 * EACH
