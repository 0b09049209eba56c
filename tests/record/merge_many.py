"""Merges many taps in a process of its own, and prints the seconds and its peak memory in MiB.

python -m tests.record.merge_many FOLDER TAPS PACKETS
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np

from capnet.record.bundle.merge import Merge

HEAD = bytes.fromhex("4d3cb2a1020004000000000000000000" + "00000400" + "01000000")  # as tcpdump writes it


def main(folder: Path, taps: int, packets: int) -> None:
    """Frames of 200 octets, one each 10 µs at every tap, as pcap with nanoseconds."""
    records = np.zeros(packets, dtype=[("header", "<u4", 4), ("frame", "u1", 200)])
    times = np.arange(packets, dtype=np.int64) * 10_000
    paths = []
    for tap in range(taps):
        records["header"] = np.stack(
            [1_700_000_000 + times // 10**9, times % 10**9, np.full(packets, 200), np.full(packets, 200)], axis=1
        )
        paths.append(folder / f"{tap}.{packets}")
        with paths[-1].open("wb") as file:
            file.write(HEAD)
            records.tofile(file)
    del records, times
    began = time.perf_counter()
    with Merge(paths) as merge, Path("/dev/null").open("wb") as out:
        for piece in merge.pieces():
            out.write(piece)
        assert all(merge.written(tap) == packets for tap in range(taps))
    print(f"{time.perf_counter() - began:.2f}", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
