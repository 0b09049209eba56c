"""Tables of a large capture: rows per second into memory, Parquet, CSV and SQL, in turn and as ratios.

    python -m tests.bench.tables [--packets 2000000] [--runs 5] [--file BIG.pcap]

Whole processes run in turn, each round beginning with `capnet analyze` of the same file: its median of ratios says how
much longer an export takes, whatever else the machine does. Rows per second are of the fastest run. Inside one process,
`frames()` is measured without what reads it: the limit of all formats. Needs the extras export and sql.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.run import PROJECT, Measured, measure

CAPNET = [sys.executable, "-m", "capnet"]
QUERY = "select vni, count(*) from frames group by 1"
LINE = "{:44} {:>8} {:>8} {:>12} {:>9}  {:>13} {:>13}"

# CPU seconds of one thread: decoding alone, with typed columns, and handed over by Arrow's interface.
IN_MEMORY = """
import sys, time
import capnet, pyarrow
def spent(work):
    with capnet.open_capture(sys.argv[1]) as capture:
        begin = time.thread_time()
        rows = sum(work(capture))
        return rows, time.thread_time() - begin
ways = {
    "blocks()": lambda capture: map(len, capture.blocks()),
    "frames()": lambda capture: (batch.rows for batch in capture.frames().batches()),
    "frames(), read by pyarrow": lambda capture: (
        batch.num_rows for batch in pyarrow.RecordBatchReader.from_stream(capture.frames())
    ),
}
for name, way in ways.items():
    rows, seconds = min((spent(way) for _ in range(int(sys.argv[2]))), key=lambda result: result[1])
    print(f"{name}|{rows}|{seconds}")
"""


def exports(capture: Path, folder: Path) -> dict[str, list[str]]:
    """What is measured → its command."""
    export = [*CAPNET, "export", str(capture)]
    return {
        "frames → Parquet": [*export, "-o", str(folder / "x.parquet")],
        "frames, binary addresses → Parquet": [*export, "--addresses", "binary", "-o", str(folder / "x.parquet")],
        "frames → Arrow": [*export, "-o", str(folder / "x.arrow")],
        "flows → Parquet": [*export, "--table", "flows", "-o", str(folder / "x.parquet")],
        "conversations → Parquet": [*export, "--table", "conversations", "-o", str(folder / "x.parquet")],
        "SQL: select vni, count(*) from frames": [*CAPNET, "sql", str(capture), QUERY],
    }


def rows_of(capture: Path) -> dict[str, int]:
    """Table → how many rows it has."""
    from capnet.analysis.core.sources import Source
    from capnet.analysis.tables.library import Tables

    tables = Tables([Source(capture)])
    names = ("frames", "flows", "conversations")
    return {name: sum(batch.rows for batch in tables.table(name).batches()) for name in names}


def compare(capture: Path, runs: int) -> None:
    """Print both tables."""
    rows = rows_of(capture)
    print("CPU of one thread, best of", runs)
    command = [sys.executable, "-c", IN_MEMORY, str(capture), str(runs)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    for name, count, seconds in (line.split("|") for line in done.stdout.splitlines()):
        print(
            f"  {name:28} {int(count):>10,} rows {float(seconds):6.2f} s {int(count) / float(seconds):>12,.0f} rows/s"
        )
    print()
    print(LINE.format("whole process", "seconds", "CPU s", "rows/s", "peak MiB", "× analyze", "× its CPU"))
    with tempfile.TemporaryDirectory() as folder:
        measured: dict[str, list[tuple[Measured, Measured]]] = {}
        for _ in range(runs):
            for name, command in exports(capture, Path(folder)).items():
                base = measure([*CAPNET, "analyze", str(capture), "--format", "json"])
                measured.setdefault(name, []).append((measure(command), base))
    for name, pairs in measured.items():
        best = min(run for run, _ in pairs)
        table = next((table for table in rows if name.startswith(table)), "frames")
        clock = statistics.median(run.seconds / base.seconds for run, base in pairs)
        cpu = statistics.median(run.cpu / base.cpu for run, base in pairs)
        peak = max(run.peak_mib for run, _ in pairs)
        rate = f"{rows[table] / best.seconds:,.0f}"
        seconds = f"{best.seconds:.2f}", f"{best.cpu:.2f}"
        print(LINE.format(name, *seconds, rate, f"{peak:.0f}", f"{clock:.2f}", f"{cpu:.2f}"))


def main() -> None:
    """Make the capture, or take the one that is named, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--file", type=Path, help="a file made by make_capture; else one is made and removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        capture = options.file or Path(folder) / "big.pcap"
        if not options.file:
            make = [sys.executable, "-m", "tests.bench.make_capture", "--packets", str(options.packets), str(capture)]
            subprocess.run(make, cwd=PROJECT, check=True)
        compare(capture, options.runs)


if __name__ == "__main__":
    main()
