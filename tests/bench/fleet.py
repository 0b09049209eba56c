"""Many captures: a loop of `capnet analyze`, `capnet fleet` with its processes, and with workers of Dask, in one run.

    python -m tests.bench.fleet [--small 200x5] [--large 20x500] [--runs 3] [--workers N] [--folder /big/disk]

`200x5`: 200 files of 5 MB. All are one made capture, each an hour after the one before, so that no two meet. Whole
processes run in turn; the fastest of several runs counts, and ratios are to the loop of the same table. Workers of Dask
are there before the clock starts. Dask is left out, and named, where `distributed` is missing.
The loop writes reports alone; a fleet writes tables too (Parquet where pyarrow is installed, else CSV), and merges.
"""

from __future__ import annotations

import argparse
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.bench.run import PROJECT, Measured, measure

CAPNET = [sys.executable, "-m", "capnet"]
LOOP = 'for file in "$2"/*; do "$1" -m capnet analyze "$file" --format json -o "$3/${file##*/}.json" || exit 1; done'
SIDE_BY_SIDE = (
    'ls "$2"/* | xargs -P "$4" -I{} sh -c \'"$1" -m capnet analyze "$2" --threads 1 --format json -o '
    '"$3/${2##*/}.json"\' sh "$1" {} "$3"'
)
LINE = "{:44} {:>8} {:>8} {:>8} {:>9} {:>7}  {}"
PACKETS_PER_MB, PACKETS_PER_FLOW = 1_825, 40  # of a capture of `make_capture`
SECONDS_BETWEEN = 3_600


def make_files(folder: Path, count: int, megabytes: int) -> int:
    """Write the captures; how many bytes they have in all."""
    folder.mkdir()
    first = folder / "0000.pcap"
    packets = megabytes * PACKETS_PER_MB
    amount = ["--packets", str(packets), "--flows", str(packets // PACKETS_PER_FLOW)]
    make = [sys.executable, "-m", "tests.bench.make_capture", *amount, str(first)]
    subprocess.run(make, cwd=PROJECT, check=True, capture_output=True)
    data = bytearray(first.read_bytes())
    array = np.frombuffer(data, dtype=np.uint8)
    places = _record_offsets(data)[:, None] + np.arange(4)
    seconds = array[places].view("<u4")
    for number in range(1, count):
        array[places] = (seconds + np.uint32(number * SECONDS_BETWEEN)).view(np.uint8)
        (folder / f"{number:04}.pcap").write_bytes(data)
    return count * len(data)


def _record_offsets(data: bytearray) -> np.ndarray:
    """Where each record of a pcap file begins."""
    offsets, at = [], 24
    while at + 16 <= len(data):
        offsets.append(at)
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
    return np.array(offsets)


@contextmanager
def dask_cluster(workers: int) -> Iterator[str | None]:
    """The address of a scheduler with workers; None without the library."""
    try:
        from distributed import LocalCluster
    except ImportError:
        yield None
        return
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


def compare(folder: Path, count: int, megabytes: int, runs: int, workers: int) -> None:
    """Print the table of one size of captures."""
    captures, out = folder / "captures", folder / "out"
    total = make_files(captures, count, megabytes)
    print(f"{count} captures, {total / 1e6:,.0f} MB, best of {runs}, {workers} workers, {os.cpu_count()} processors\n")
    print(LINE.format("way", "seconds", "CPU s", "MB/s", "peak MiB", "others", "of the loop's time"))
    fleet = [*CAPNET, "fleet", str(captures), "-o", str(out)]
    shell = [sys.executable, str(captures), str(out)]
    with dask_cluster(workers) as scheduler:
        ways = {
            "a loop of capnet analyze": ["sh", "-c", LOOP, "sh", *shell],
            f"xargs -P {workers} capnet analyze --threads 1": ["sh", "-c", SIDE_BY_SIDE, "sh", *shell, str(workers)],
            f"capnet fleet --jobs {workers}": [*fleet, "--jobs", str(workers)],
            f"capnet fleet --dask, {workers} workers": [*fleet, "--dask", str(scheduler)],
            "capnet fleet again, all is done": [*fleet, "--jobs", str(workers)],
        }
        if scheduler is None:
            print("Dask is not installed: pip install 'capnet[dask]'")
            ways = {name: command for name, command in ways.items() if "--dask" not in command}
        base = 0.0
        for name, command in ways.items():
            of_workers = scheduler if "--dask" in command else None
            run = min(_fresh(command, out, "again" in name, of_workers) for _ in range(runs))
            base = base or run.seconds
            row = [f"{run.seconds:.1f}", f"{run.cpu:.1f}", f"{total / 1e6 / run.seconds:.0f}", f"{run.peak_mib:.0f}"]
            print(LINE.format(name, *row, f"{run.others:.1f}", f"{run.seconds / base:.2f}"), flush=True)
    shutil.rmtree(captures)
    print()


def _fresh(command: list[str], out: Path, keeps: bool, scheduler: str | None) -> Measured:
    """One run, with an empty folder for results unless it goes on with those that there are.

    Workers of Dask are no children of the command: what they take is added.
    """
    if not keeps:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
    before = _worker_seconds(scheduler) if scheduler else 0.0
    run = measure(command)
    return run._replace(cpu=run.cpu + _worker_seconds(scheduler) - before) if scheduler else run


def _worker_seconds(scheduler: str) -> float:
    """CPU seconds that the workers have taken so far."""
    from distributed import Client

    with Client(scheduler, set_as_default=False) as client:
        return sum(client.run(time.process_time).values())


def main() -> None:
    """Compare the sizes that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", default="200x5", help="files x MB; 0x0 leaves them out")
    parser.add_argument("--large", default="20x500", help="files x MB; 0x0 leaves them out")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--folder", type=Path, help="where captures are made and removed; default: that of TMPDIR")
    options = parser.parse_args()
    for size in (options.small, options.large):
        count, megabytes = map(int, size.split("x"))
        if count:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                compare(Path(folder), count, megabytes, options.runs, options.workers)


if __name__ == "__main__":
    main()
