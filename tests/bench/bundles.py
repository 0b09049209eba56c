"""How fast capture files become a bundle, and in how much memory.

    python -m tests.bench.bundles [--points 3,12] [--packets 500000]

Packets of 200 octets at each point, in order of time; what is written goes to /dev/null. The seconds are those of
reading and merging, the memory is that of the whole process.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parents[2]
LINE = "{:>6} {:>12} {:>8} {:>12} {:>9}"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", default="3,12")
    parser.add_argument("--packets", type=int, default=500_000, help="at each point")
    options = parser.parse_args()
    print(LINE.format("points", "packets", "seconds", "packets/s", "peak MiB"))
    for points in map(int, options.points.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, "-m", "tests.record.merge_many", folder, str(points), str(options.packets)]
            done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True)
        seconds, peak = done.stdout.split()
        packets = points * options.packets
        print(LINE.format(points, f"{packets:,}", seconds, f"{packets / float(seconds):,.0f}", peak))


if __name__ == "__main__":
    main()
