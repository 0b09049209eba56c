"""How many packets capnet's capture programs lose, beside tcpdump and dumpcap as a person calls them.

    sudo python -m tests.bench.taps [--points 1,3,6] [--rates 100000,300000] [--seconds 5]

Frames of 100 octets pass a chain of namespaces of its own, with a capture point on each side of three links:

    a: v0 ── b: v1 br0 v2 ── c: v3 br1 v4 ── d: v5

All programs of a row run one after the other in the same minute. Lost is what the sender sent less what the file holds,
the worst of the points. `busy` are the processors that worked meanwhile, the sender and other programs included: on a
busy machine all lose.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.shell import Shell
from capnet.record.taps.capture_program import PROGRAMS
from capnet.record.taps.file_counters import FileCounters
from capnet.record.taps.listening import listening

OCTETS = 100
MACHINES = "abcd"
POINTS = ("b/v1", "a/v0", "c/v3", "b/v2", "c/v4", "d/v5")  # the first ones are used
LINKS = (("a", "v0", "b", "v1"), ("b", "v2", "c", "v3"), ("c", "v4", "d", "v5"))
BRIDGES = (("b", "br0", "v1", "v2"), ("c", "br1", "v3", "v4"))
PLAIN = {"tcpdump": ["tcpdump", "-n", "-w"], "dumpcap": ["dumpcap", "-q", "-w"]}
LINE = "{:18} {:>6} {:>9} {:>8} {:>8} {:>7}"


class Lost(NamedTuple):
    """One run: the frames that were sent, and what the files of all points lack."""

    sent: int
    lost: int  # the worst of the points
    seconds: float
    busy: float  # processors


def namespace(machine: str) -> str:
    """The name of a machine's network namespace."""
    return f"capnet-bench-{os.getpid()}-{machine}"


@contextmanager
def chain() -> Iterator[None]:
    """The namespaces and their links while the block runs."""
    try:
        for machine in MACHINES:
            ip(f"netns add {namespace(machine)}")
            quiet = [f"net.ipv6.conf.{which}.disable_ipv6=1" for which in ("all", "default")]
            run(["ip", "netns", "exec", namespace(machine), "sysctl", "-qw", *quiet])
        for one, name, other, peer in LINKS:
            ip(f"-n {namespace(one)} link add {name} type veth peer name {peer} netns {namespace(other)}")
        for machine, bridge, *ports in BRIDGES:
            ip(f"-n {namespace(machine)} link add {bridge} type bridge")
            for port in ports:
                ip(f"-n {namespace(machine)} link set {port} master {bridge}")
        names = [(link[k], link[k + 1]) for link in LINKS for k in (0, 2)] + [bridge[:2] for bridge in BRIDGES]
        for machine, name in names:
            ip(f"-n {namespace(machine)} link set {name} up")
        yield
    finally:
        for machine in MACHINES:
            with suppress(subprocess.CalledProcessError):
                ip(f"netns del {namespace(machine)}")


def ip(words: str) -> None:
    """Runs `ip`."""
    run(["ip", *words.split()])


def run(words: list[str]) -> str:
    """What a program prints. CalledProcessError if it fails."""
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def send(rate: int, seconds: float) -> tuple[int, float]:
    """Sends from a's v0: (frames, seconds that it took)."""
    words = [sys.executable, "-m", "tests.bench.sender", "v0", str(rate), str(int(rate * seconds)), str(OCTETS)]
    sent, took = run(["ip", "netns", "exec", namespace("a"), *words]).split()
    return int(sent), float(took)


def plain(program: str, points: tuple[str, ...], rate: int, seconds: float, folder: Path) -> Lost:
    """The program as a person calls it, once for each point."""
    files = [folder / str(number) for number in range(len(points))]
    processes = []
    for point, file in zip(points, files, strict=True):
        machine, _, interface = point.partition("/")
        file.touch(mode=0o666)
        file.chmod(0o666)  # tcpdump gives up root before it opens the file
        words = ["ip", "netns", "exec", namespace(machine), *PLAIN[program], str(file), "-i", interface]
        processes.append(subprocess.Popen(words, stderr=subprocess.PIPE))
    time.sleep(2)  # they say in words of their own that they listen; nothing is sent meanwhile
    sent, took, busy = timed(rate, seconds)
    time.sleep(2)  # for what is in their buffers
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.communicate()
    return Lost(sent, max(max(sent - packets(file), 0) for file in files), took, busy)


def tapped(program: str, points: tuple[str, ...], rate: int, seconds: float, folder: Path) -> Lost:
    """The same by capnet."""
    shell = Shell("self")
    chosen = []
    for point in points:
        machine, _, interface = point.partition("/")
        chosen.append(CapturePoint(point, "veth", machine, interface, "", shell, f"/run/netns/{namespace(machine)}"))
    (tested,) = (each for each in PROGRAMS if each.name == program)
    with listening(chosen, folder, find=lambda shell: tested) as captures:
        sent, took, busy = timed(rate, seconds)
    return Lost(sent, max(max(sent - packets(capture.path), 0) for capture in captures), took, busy)


def timed(rate: int, seconds: float) -> tuple[int, float, float]:
    """Sends; (frames, seconds, processors that worked, those of the sender and the capture programs included)."""
    began, busy = time.perf_counter(), busy_seconds()
    sent, took = send(rate, seconds)
    return sent, took, (busy_seconds() - busy) / (time.perf_counter() - began)


def busy_seconds() -> float:
    """Seconds that all processors worked so far (proc_stat(5))."""
    user, nice, system, _, _, irq, soft = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:8])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def packets(file: Path) -> int:
    """How many packets a capture file holds."""
    counters = FileCounters(file)
    count = counters.totals().packets
    counters.close()
    file.unlink()
    return count


def main() -> None:
    """Makes the chain and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", default="1,3,6")
    parser.add_argument("--rates", default="100000,300000")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where the files go")
    options = parser.parse_args()
    print(
        f"frames of {OCTETS} octets, {options.seconds:g} s, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    )
    print(LINE.format("program", "points", "frames/s", "sent in", "lost", "busy"))
    ways = {
        f"{name}{suffix}": (way, name)
        for name in PLAIN
        for way, suffix in ((plain, " -w FILE"), (tapped, " by capnet"))
    }
    with chain(), tempfile.TemporaryDirectory(dir=options.folder) as name:
        Path(name).chmod(0o755)
        for rate in map(int, options.rates.split(",")):
            for count in map(int, options.points.split(",")):
                for label, (way, program) in ways.items():
                    lost = way(program, POINTS[:count], rate, options.seconds, Path(name))
                    share, took = f"{100 * lost.lost / lost.sent:.2f} %", f"{lost.seconds:.2f} s"
                    print(LINE.format(label, count, rate, took, share, f"{lost.busy:.1f}"), flush=True)


if __name__ == "__main__":
    main()
