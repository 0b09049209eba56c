"""capnet and other tools on one file, in one run: seconds, packets per second, memory, ratios.

    python -m tests.bench.run [--packets 2000000] [--runs 3] [--file BIG.pcap]

Whole processes, the file in the page cache, the fastest of several runs. Programs that would take minutes get a part
of the file, marked in the table. A program that is not installed is named as missing. Nothing here passes or fails.

The table has wall-clock seconds and CPU seconds: programs that run at the same time slow the first. `others` is the
number of processors that they used.
"""

from __future__ import annotations

import argparse
import os
import shutil
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


# Reading, decoding and counting, without what comes before and after.
PASS = """
import sys, time
from pathlib import Path
from capnet.analysis.aggregate.parallel import ParallelReader
from capnet.analysis.aggregate.aggregator import Aggregator
from capnet.wire.capture import open_capture
for count in (1, 2) * int(sys.argv[2]):
    with open_capture(Path(sys.argv[1]), compiled=True) as capture:
        begin = time.perf_counter()
        ParallelReader(capture, Aggregator(capture.machine), 0, 0, count).read()
        print(count, time.perf_counter() - begin)
"""

# Flow counters that run as daemons get a folder, which is removed.
FLOWS = "d=$(mktemp -d) && trap 'rm -r $d' EXIT && {} >/dev/null"
NFPCAPD = FLOWS.format('nfpcapd -r "$1" -w $d')
SOFTFLOWD = FLOWS.format('softflowd -r "$1" -m 200000 -d -p $d/pid -c none')  # without -c none it waits for a client


class Measured(NamedTuple):
    """What one run of a process took."""

    seconds: float  # wall clock
    cpu: float  # seconds of all its threads
    peak_mib: float
    others: float  # processors that other programs used meanwhile


# A process's peak memory begins with that of the process that started it (Linux keeps ru_maxrss across exec),
# so programs are started by an interpreter with nothing loaded, about 10 MiB, and not by this one.
STARTER = """
import os, sys, time
def busy():
    try:
        user, nice, system, _, _, irq, soft = (int(word) for word in open("/proc/stat").readline().split()[1:8])
    except OSError:
        return 0.0
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")
all = -busy()
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
begin = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(child, 0)
seconds, cpu = time.perf_counter() - begin, usage.ru_utime + usage.ru_stime
others = max(all + busy() - cpu, 0.0) / seconds
print(seconds, cpu, usage.ru_maxrss, others, os.waitstatus_to_exitcode(status))
"""


def measure(command: list[str]) -> Measured:
    """One run of a whole process. RuntimeError if it fails."""
    start = [sys.executable, "-I", "-S", "-c", STARTER, *command]
    # Python programs keep their compiled modules, as they do unless told otherwise.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(start, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True)
    seconds, cpu, peak_kib, others, code = done.stdout.split()
    if code != "0":
        raise RuntimeError(f"{command[0]} ended with {code}: {' '.join(command)}")
    return Measured(float(seconds), float(cpu), int(peak_kib) / 1024, float(others))


def fastest(command: list[str], runs: int) -> Measured:
    """The fastest of several runs, with the largest peak of all."""
    measured = [measure(command) for _ in range(runs)]
    return min(measured)._replace(peak_mib=max(run.peak_mib for run in measured))


def passes(capture: Path, runs: int) -> tuple[float, float]:
    """Seconds of the pass alone with one thread and with two, the fastest of each."""
    command = [sys.executable, "-c", PASS, str(capture), str(runs)]
    lines = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.splitlines()
    taken = [line.split() for line in lines]
    one_thread, two_threads = (min(float(s) for count, s in taken if count == threads) for threads in ("1", "2"))
    return one_thread, two_threads


def head(capture: Path, packets: int, into: Path) -> Path:
    """Write the first packets of a pcap file to `into`, and return that."""
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
    """Make the capture, or take the one that is named, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--part", type=int, default=100_000, help="packets that slow programs get")
    parser.add_argument("--file", type=Path, help="a file made by make_capture; else one is made and removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        capture = options.file or Path(folder) / "big.pcap"
        if not options.file:
            make = [sys.executable, "-m", "tests.bench.make_capture", "--packets", str(options.packets), str(capture)]
            subprocess.run(make, cwd=PROJECT, check=True)
        compare(
            capture,
            options.packets,
            head(capture, options.part, Path(folder) / "part.pcap"),
            options.part,
            options.runs,
        )


LINE = "{:34} {:>8} {:>8} {:>12} {:>9} {:>7}  {}"


def show(name: str, packets: int, run: Measured, ratio: str = "") -> None:
    """Print one line of the table."""
    rate = f"{packets / run.seconds:,.0f}"
    seconds, cpu, peak = f"{run.seconds:.2f}", f"{run.cpu:.2f}", f"{run.peak_mib:.0f}"
    print(LINE.format(name, seconds, cpu, rate, peak, f"{run.others:.1f}", ratio), flush=True)


def compare(capture: Path, packets: int, part: Path, part_packets: int, runs: int) -> None:
    """Print the table: capnet and the other programs on `capture`, the slow ones on `part`; then memory and threads."""
    ours = [sys.executable, "-m", "capnet", "analyze", str(capture), "--format", "json"]
    measure(ours)  # the compiler runs once per machine; this fills its cache
    print(f"{packets:,} packets, {capture.stat().st_size / 1e6:,.0f} MB, best of {runs}, {os.cpu_count()} processors\n")
    print(
        LINE.format(
            "program", "seconds", "CPU s", "packets/s", "peak MiB", "others", "capnet needs, of its clock and CPU"
        )
    )
    base = fastest(ours, runs)
    show("capnet analyze", packets, base)
    show("capnet analyze --threads 1", packets, fastest([*ours, "--threads", "1"], runs))
    whole: dict[str, list[str]] = {
        "cat (floor)": ["cat", str(capture)],
        "capinfos -c (floor: walk only)": ["capinfos", "-c", str(capture)],
        "tcpdump -nr": ["tcpdump", "-n", "-r", str(capture)],
        "nfpcapd, outer flows": ["bash", "-c", NFPCAPD, "nfpcapd", str(capture)],
        "softflowd, outer flows": ["bash", "-c", SOFTFLOWD, "softflowd", str(capture)],
    }
    slow: dict[str, list[str]] = {
        "tshark -q -z conv,ip": ["tshark", "-n", "-q", "-z", "conv,ip", "-r", str(part)],
        "dpkt, outer flows": [sys.executable, "-c", DPKT, str(part)],
        "scapy RawPcapReader (walk only)": [sys.executable, "-c", SCAPY, str(part)],
    }
    for programs, count, repeat in ((whole, packets, runs), (slow, part_packets, 1)):
        for name, command in programs.items():
            program = command[3] if command[0] == "bash" else command[0]
            if not shutil.which(program):
                print(f"{name:34} not installed ({program}; see tests/bench/README.md)")
                continue
            try:
                run = fastest(command, repeat)
            except RuntimeError as error:
                print(f"{name:34} {str(error).partition(':')[0]} (not installed?)")
                continue
            clock, cpu = (ours_s / packets / (s / count) for ours_s, s in zip(base[:2], run[:2], strict=True))
            label = name if count == packets else f"{name} *"
            show(label, count, run, f"1/{1 / clock:.1f} · 1/{1 / cpu:.1f}")
    print(f"* on the first {part_packets:,} packets; what it needs for each is compared\n")
    one_thread, two_threads = passes(capture, runs)
    times = one_thread / two_threads
    print(
        f"the pass alone: {one_thread:.2f} s with one thread, {two_threads:.2f} s with two, {times:.2f} times as fast"
    )
    twice = capture.with_name("twice.pcap") if capture.parent == part.parent else part.with_name("twice.pcap")
    with capture.open("rb") as source, twice.open("wb") as target:
        shutil.copyfileobj(source, target)
        source.seek(24)
        shutil.copyfileobj(source, target)
    doubled = measure([*ours[:4], str(twice), *ours[5:]])
    print(f"memory: {base.peak_mib:.0f} MiB for the file, {doubled.peak_mib:.0f} MiB for the same packets twice")


if __name__ == "__main__":
    main()
