"""Run ids, which say which process made something, and the temporary folders that carry them.

`kill -9` leaves things behind with an id in their name or label. The id tells later whether the process that made them
still lives.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

MADE = "capnet"  # label, = 1 on everything in Docker that capnet makes and that outlives a kill -9
RUN = "capnet.run"  # label, = the run's id

_FOLDER = "capnet-"  # temporary folders: this, the run's id, and what they are for


def this_run() -> str:
    """`<place>-<pid>-<start>`: boot and PID namespace, the process, and its start time in clock ticks."""
    return f"{_place()}-{os.getpid()}-{_started(os.getpid())}"


def run_state(run: str) -> str:
    """`alive`, `dead`, or `unknown`: of another machine or PID namespace, or before this machine was started again."""
    place, _, process = run.partition("-")
    pid, _, started = process.partition("-")
    if place != _place() or not pid.isdigit():
        return "unknown"
    return "alive" if _started(int(pid)) == started else "dead"


def is_dead(run: str) -> bool:
    """Whether the process of this machine that had the id has ended."""
    return run_state(run) == "dead"


def temporary_folder(purpose: str) -> Path:
    """A new private folder for temporary files of this process; the caller removes it."""
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{this_run()}-{purpose}-"))


def folders_of_runs(which: Callable[[str], bool]) -> Iterator[Path]:
    """This machine's temporary folders of the runs that `which` accepts.

    Every user can make a folder of such a name in /tmp: those of other users are left out.
    """
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{_FOLDER}*-*-*-*-*")):
        run = "-".join(path.name.removeprefix(_FOLDER).split("-")[:3])
        with suppress(FileNotFoundError):  # another run removes them, too
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and which(run):
                yield path


def remove_folders(which: Callable[[str], bool], but: Collection[Path] = ()) -> list[str]:
    """Removes this machine's temporary folders of the runs that `which` accepts; returns a line for each."""
    gone = []
    for path in folders_of_runs(which):
        if path not in but:
            shutil.rmtree(path, ignore_errors=True)
            gone.append(f"folder {path}")
    return gone


def _place() -> str:
    """8 digits of the machine's boot id and of the PID namespace, in which process numbers mean something.

    Two containers, or a container and its host, may share /tmp or Docker's socket, and not see each other's processes.
    """
    try:
        boot = int(Path("/proc/sys/kernel/random/boot_id").read_text()[:8], 16)
        namespace = Path("/proc/self/ns/pid").stat().st_ino & 0xFFFFFFFF
        return f"{boot ^ namespace:08x}"
    except (OSError, ValueError):  # not Linux, which has no boot id
        return "00000000"


def _started(pid: int) -> str | None:
    """Field 22 of /proc/PID/stat (proc(5)), counted from behind the command, which may hold anything.

    None where there is no such process, or it is a zombie (Z).
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else fields[18]
