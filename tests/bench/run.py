"""capnet beside the tools people use, on one file, in one run: seconds, packets/s, memory, ratios.

    python -m tests.bench.run [--packets 2000000] [--runs 3] [--file BIG.pcap]

Whole processes, the file in the page cache, medians. Programs that would take minutes get a part of the file, and
the table says so. A program that is not installed is named as missing. Nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parents[2]

DPKT = """
import sys, dpkt
flows = {}
for _, data in dpkt.pcap.Reader(open(sys.argv[1], 'rb')):
    ip = dpkt.ethernet.Ethernet(data).data
    if isinstance(ip, dpkt.ip.IP):
        key = (ip.src, ip.dst, ip.p, getattr(ip.data, 'sport', 0), getattr(ip.data, 'dport', 0))
        flows[key] = flows.get(key, 0) + len(data)
"""
SCAPY = """
import sys
from scapy.utils import RawPcapReader
for data, meta in RawPcapReader(sys.argv[1]):
    pass
"""


class Measured(NamedTuple):
    seconds: float
    peak_mib: float


# A process's peak memory begins with that of the process that started it (Linux keeps ru_maxrss across exec),
# so programs are started by an interpreter with nothing loaded, about 10 MiB, and not by this one.
STARTER = """
import os, sys, time
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
begin = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(child, 0)
print(time.perf_counter() - begin, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
"""


def measure(command: list[str]) -> Measured:
    """One run of a whole process: wall seconds, and the kernel's own account of its peak memory."""
    start = [sys.executable, "-I", "-S", "-c", STARTER, *command]
    done = subprocess.run(start, cwd=PROJECT, capture_output=True, text=True, check=True)
    seconds, peak_kib, code = done.stdout.split()
    if code != "0":
        raise RuntimeError(f"{command[0]} ended with {code}: {' '.join(command)}")
    return Measured(float(seconds), int(peak_kib) / 1024)


def median(command: list[str], runs: int) -> Measured:
    measured = [measure(command) for _ in range(runs)]
    return Measured(statistics.median(m.seconds for m in measured), max(m.peak_mib for m in measured))


def head(capture: Path, packets: int, into: Path) -> Path:
    """The first packets of a pcap file of ours as a file of their own."""
    from capnet.wire.capture import open_capture

    with open_capture(capture, compiled=False) as opened:
        end = 24
        for record in opened.records():
            if record.number > packets:
                break
            end += 16 + record.caplen
    with capture.open("rb") as source, into.open("wb") as target:
        target.write(source.read(end))
    return into


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--part", type=int, default=100_000, help="packets that slow programs get")
    parser.add_argument("--file", type=Path, help="a file made by make_capture; else one is made and removed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        capture = given.file or Path(folder) / "big.pcap"
        if not given.file:
            make = [sys.executable, "-m", "tests.bench.make_capture", "--packets", str(given.packets), str(capture)]
            subprocess.run(make, cwd=PROJECT, check=True)
        compare(capture, given.packets, head(capture, given.part, Path(folder) / "part.pcap"), given.part, given.runs)


def compare(capture: Path, packets: int, part: Path, part_packets: int, runs: int) -> None:
    ours = [sys.executable, "-m", "capnet", "analyze", str(capture), "--format", "json"]
    measure(ours)  # the compiler runs once per machine; this fills its cache
    base = median(ours, runs)
    base_rate = packets / base.seconds
    print(
        f"{packets:,} packets, {capture.stat().st_size / 1e6:,.0f} MB, median of {runs}, {os.cpu_count()} processors\n"
    )
    line = "{:34} {:>9} {:>13} {:>9} {:>10}"
    print(line.format("program", "seconds", "packets/s", "peak MiB", "capnet is"))
    print(line.format("capnet analyze", f"{base.seconds:.2f}", f"{base_rate:,.0f}", f"{base.peak_mib:.0f}", ""))
    whole: dict[str, list[str]] = {
        "capinfos -c (walk only)": ["capinfos", "-c", str(capture)],
        "tcpdump -nr": ["tcpdump", "-n", "-r", str(capture)],
    }
    slow: dict[str, list[str]] = {
        "tshark -q -z conv,ip": ["tshark", "-n", "-q", "-z", "conv,ip", "-r", str(part)],
        "dpkt, outer flows": [sys.executable, "-c", DPKT, str(part)],
        "scapy RawPcapReader (walk only)": [sys.executable, "-c", SCAPY, str(part)],
    }
    for programs, count, repeat in ((whole, packets, runs), (slow, part_packets, 1)):
        for name, command in programs.items():
            if not shutil.which(command[0]):
                print(f"{name:34} not installed")
                continue
            try:
                found = median(command, repeat)
            except RuntimeError as error:
                print(f"{name:34} {str(error).partition(':')[0]} (not installed?)")
                continue
            rate = count / found.seconds
            label = name if count == packets else f"{name} *"
            ratio = f"{base_rate / rate:.1f} ×"
            print(line.format(label, f"{found.seconds:.2f}", f"{rate:,.0f}", f"{found.peak_mib:.0f}", ratio))
    print(f"* on the first {part_packets:,} packets; its rate is compared\n")
    twice = capture.with_name("twice.pcap") if capture.parent == part.parent else part.with_name("twice.pcap")
    with capture.open("rb") as source, twice.open("wb") as target:
        shutil.copyfileobj(source, target)
        source.seek(24)
        shutil.copyfileobj(source, target)
    again = measure([*ours[:4], str(twice), *ours[5:]])
    print(f"memory: {base.peak_mib:.0f} MiB for the file, {again.peak_mib:.0f} MiB for the same packets twice")


if __name__ == "__main__":
    main()
