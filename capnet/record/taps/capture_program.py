"""The capture programs dumpcap and tcpdump: how each is called, and what it prints when it listens and when it ends."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from capnet.errors import EnvironmentLacks
from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.shell import Shell


@dataclass(frozen=True)
class Program:
    """A capture program; `listens` and `counts` are regular expressions for what it prints on stderr."""

    name: str
    options: tuple[str, ...]
    listens: str  # when it has begun to capture
    counts: str  # when it ends; with groups `received`, `dropped`, and `interface_dropped` if it says that

    def command(self, point: CapturePoint, snaplen: int) -> list[str]:
        """The words that capture at the point and write to standard output."""
        capture_filter = [point.capture_filter] if point.capture_filter else []
        if self.name == "dumpcap" and capture_filter:
            capture_filter = ["-f", *capture_filter]
        return [self.name, *self.options, "-i", point.interface, "-s", str(snaplen), "-w", "-", *capture_filter]


# dumpcap writes nanoseconds in pcapng only, so that is what it writes; it prints `File:` when the device is open
# and the filter set (`Capturing on` comes before that). tcpdump writes pcap.
PROGRAMS = (
    Program(
        "dumpcap",
        ("-q",),
        listens=r"^File: ",
        counts=r"received/dropped on interface .*: (?P<received>\d+)/(?P<dropped>\d+)"
        r"(?: \(.*ps_ifdrop:(?P<interface_dropped>\d+)\))?",
    ),
    Program(
        "tcpdump",
        ("-n", "-U", "--immediate-mode", "--time-stamp-precision=nano"),
        listens=r"listening on ",
        counts=r"(?P<received>\d+) packets? received by filter\s+(?P<dropped>\d+) packets? dropped by kernel"
        r"(?:\s+(?P<interface_dropped>\d+) packets? dropped by interface)?",
    ),
)


def find_program(shell: Shell) -> Program:
    """The best capture program on the shell's machine. EnvironmentLacks if there is none."""
    for program in PROGRAMS:
        with contextlib.suppress(EnvironmentLacks):
            shell.run([program.name, "--version"])
            return program
    where = f" on {shell.ssh[-1]}" if shell.ssh else ""
    raise EnvironmentLacks(f"no capture program{where}: install tcpdump, or wireshark's dumpcap")
