"""Starts capture programs: at each point the best one of its machine, with as much buffer as that can afford."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from capnet.errors import EnvironmentLacks
from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.shell import Shell
from capnet.record.taps.capture_process import CaptureProcess
from capnet.record.taps.capture_program import BUFFER_MIB, CaptureProgram, find_program

FindProgram: TypeAlias = Callable[[Shell], CaptureProgram]

READY_WITHIN_S = 60.0  # dozens of programs start side by side, in User-Mode Linux one after the other

_MIN_BUFFER_MIB = 2  # dumpcap's own
_MAX_MEMORY_SHARE = 4  # the buffers of all points take at most one part in so many of the free memory


def start_captures(
    points: Sequence[CapturePoint],
    folder: Path,
    snaplen: int,
    buffer_mib: int,
    find: FindProgram = find_program,
    first: int = 0,
) -> Iterator[CaptureProcess]:
    """Starts a program at each point and yields it at once; their files go to `folder`, numbered from `first` on."""
    programs: dict[Shell, tuple[CaptureProgram, int]] = {}
    for number, point in enumerate(points, first):
        shell = point.shell
        if shell not in programs:
            count = sum(other.shell == shell for other in points)
            programs[shell] = find(shell), affordable_mib(shell, count, buffer_mib)
        program, affordable = programs[shell]
        yield CaptureProcess.start(point, program, folder, number, snaplen, affordable)


def affordable_mib(shell: Shell, points: int, buffer_mib: int = BUFFER_MIB) -> int:
    """The buffer of each of `points`: as asked for, or less where the machine has little free memory."""
    try:
        memory = Path("/proc/meminfo").read_text() if shell.is_direct else shell.run(["cat", "/proc/meminfo"])
    except (OSError, EnvironmentLacks):
        return buffer_mib
    available = re.search(r"^MemAvailable:\s+(\d+) kB", memory, re.MULTILINE)
    if available is None:
        return buffer_mib
    affordable = int(available[1]) // 1024 // _MAX_MEMORY_SHARE // points
    return min(buffer_mib, max(affordable, _MIN_BUFFER_MIB))
