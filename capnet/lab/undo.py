"""Removes what a lab made, newest first, as its record says. Each step does nothing where nothing is left."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from capnet.errors import CapnetError
from capnet.lab import requirements
from capnet.lab.addressing import NETNS_FOLDER, Lab
from capnet.lab.daemon import processes
from capnet.lab.record import RECORD, LabRecord, ResourceKind, Thing
from capnet.lab.uml import machine

_CGROUPS = Path("/sys/fs/cgroup")
_DEADLINE = 60.0  # seconds


def everything(lab: Lab, record: LabRecord) -> None:
    """Undoes the record, empties the folder and removes it; the record goes last."""
    if any(thing.kind is ResourceKind.MACHINE for thing in record.made):
        machine.end(lab.folder)
    processes.end([lab.hosts[thing.name] for thing in record.made if thing.kind is ResourceKind.DAEMON])
    for thing in reversed(record.made):
        _undo(thing)
    for point in _mounts_below(lab.folder):
        _unmount(point, "--lazy")
    if left := _mounts_below(lab.folder):
        raise CapnetError(f"{left[0]} cannot be unmounted; the lab's folder stays")
    for path in lab.folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != RECORD:
            path.unlink()
    (lab.folder / RECORD).unlink(missing_ok=True)
    lab.folder.rmdir()


def _undo(thing: Thing) -> None:
    match thing.kind:
        case ResourceKind.CGROUP:
            _remove_cgroup(thing.name)
        case ResourceKind.NAMESPACE:
            _unmount(NETNS_FOLDER / thing.name, "--lazy")
            (NETNS_FOLDER / thing.name).unlink(missing_ok=True)
        case ResourceKind.MOUNT:
            if not _has_entries(Path(thing.name)):  # other namespaces keep it
                _unmount(Path(thing.name))  # not lazily: the kernel refuses if one was made just now
        case ResourceKind.FOLDER:
            with suppress(OSError):  # another process put something there: leave it
                Path(thing.name).rmdir()


def _remove_cgroup(name: str) -> None:
    """Removes the cgroup and its children in the one hierarchy of version 2, or in each of version 1."""
    hierarchies = [_CGROUPS, *(path for path in _CGROUPS.iterdir() if path.is_dir() and not path.is_symlink())]
    deadline = time.monotonic() + _DEADLINE
    for hierarchy in hierarchies:
        for folder, _, _ in os.walk(hierarchy / name, topdown=False):
            # The kernel takes a moment to let go of ended processes, and tells of it by rmdir(2) alone.
            while not _is_gone(Path(folder)):
                if time.monotonic() > deadline:
                    raise CapnetError(f"cgroup {folder} cannot be removed: something still runs in it")
                time.sleep(0.02)  # rmdir(2) is the only way to ask


def _is_gone(cgroup: Path) -> bool:
    try:
        cgroup.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def _has_entries(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _unmount(point: Path, *options: str) -> None:
    """Unmounts what is mounted at `point`, if anything is."""
    command = ["umount", *options, str(point)]
    subprocess.run(command, env=requirements.environment(), capture_output=True, check=False)


def _mounts_below(folder: Path) -> list[Path]:
    """Mount points below the folder, innermost first. A lab has none in our mount namespace, normally."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        name = line.split()[4].encode("latin-1", "backslashreplace").decode("unicode_escape")
        if Path(name).is_relative_to(folder):
            points.append(Path(name))
    return points[::-1]
