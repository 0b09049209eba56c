"""The capture programs dumpcap and tcpdump: how each is called, and what it prints when it listens and when it ends."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from capnet.errors import EnvironmentLacks
from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.shell import Shell

LOOPBACK = "lo"  # as Linux calls it in every network namespace
SNAPLEN = 262144  # bytes; the same at every point, or libpcap refuses the merged file
BUFFER_MIB = 64  # of the kernel, for each point; dumpcap has 2 MiB itself, which 300,000 packets a second fill in 50 ms


@dataclass(frozen=True)
class CaptureProgram:
    """A capture program; `listens`, `counts` and `drops` are regular expressions for what it prints on stderr.

    `read_timeout`: seconds that packets wait in the kernel's buffer at most before the program is woken.
    """

    name: str
    options: tuple[str, ...]
    buffer_unit: int  # KiB in one unit of its option -B
    read_timeout: float
    listens: str  # when it has begun to capture
    counts: str  # when it ends; with groups `received`, `dropped`, and `interface_dropped` if it says that
    has_kernel_received: bool = False  # `received` is what the kernel counted, not what the program read
    drops: str | None = None  # what it answers to SIGUSR1, with group `dropped`; None: it has no answer

    def command(self, point: CapturePoint, snaplen: int, buffer_mib: int = BUFFER_MIB) -> list[str]:
        """The words that capture at the point and write to standard output."""
        capture_filter = [point.capture_filter] if point.capture_filter else []
        if self.name == "dumpcap" and capture_filter:
            capture_filter = ["-f", *capture_filter]
        buffer = str(buffer_mib * 1024 // self.buffer_unit)
        limits = ["-B", buffer, "-s", str(snaplen)]
        # At any, only this link type says at which interface a packet was. tcpdump takes it by itself.
        link_type = ["-y", "LINUX_SLL2"] if (self.name, point.interface) == ("dumpcap", "any") else []
        mode = [] if point.is_promiscuous else ["-p"]
        words = ["-i", point.interface, *mode, *link_type, *limits]
        return [self.name, *self.options, *words, "-w", "-", *capture_filter]


# dumpcap writes nanoseconds in pcapng only, so that is what it writes; it prints `File:` when the device is open
# and the filter set (`Capturing on` comes before that). tcpdump writes pcap, each packet at once (-U). With
# --immediate-mode it would be woken for each packet, and lose half of 300,000 a second.
PROGRAMS = (
    CaptureProgram(
        "dumpcap",
        ("-q",),
        buffer_unit=1024,
        read_timeout=0.25,  # CAP_READ_TIMEOUT of dumpcap.c
        listens=r"^File: ",
        counts=r"received/dropped on interface .*: (?P<received>\d+)/(?P<dropped>\d+)"
        r"(?: \(.*ps_ifdrop:(?P<interface_dropped>\d+)\))?",
    ),
    CaptureProgram(
        "tcpdump",
        ("-n", "-U", "--time-stamp-precision=nano"),
        buffer_unit=1,
        read_timeout=1.0,  # `timeout` of tcpdump.c
        listens=r"listening on ",
        counts=r"(?P<received>\d+) packets? received by filter\n(?P<dropped>\d+) packets? dropped by kernel"
        r"(?:\n(?P<interface_dropped>\d+) packets? dropped by interface)?",
        has_kernel_received=True,
        drops=r"packets? received by filter, (?P<dropped>\d+) packets? dropped by kernel",
    ),
)


def find_program(shell: Shell) -> CaptureProgram:
    """The best capture program on the shell's machine. EnvironmentLacks if there is none."""
    for program in PROGRAMS:
        with contextlib.suppress(EnvironmentLacks):
            shell.run([program.name, "--version"])
            return program
    raise EnvironmentLacks(f"no capture program{shell.place}: install tcpdump, or wireshark's dumpcap")
