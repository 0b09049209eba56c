"""The record of everything a lab made, written before each thing is made.

Whatever a `kill -9` leaves behind is therefore named in `lab.json`, and `capnet lab down` can remove it.
The folder itself is also the lock: whoever changes the lab holds flock(2) on it, and so do the short-lived
commands it starts (they inherit the descriptor). Who gets the lock knows that no straggler of a killed
`up` is still making something.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from capnet.errors import UsageError
from capnet.lab.plan import FOLDER_VARIABLE, Kernel

RECORD = "lab.json"
_UNFINISHED = "lab.json.new"
_MADE_BY = "capnet lab"


class Kind(StrEnum):
    MOUNT = "mount onto itself"
    NAMESPACE = "network namespace"
    FOLDER = "folder"
    CGROUP = "cgroup"
    DAEMON = "docker daemon"
    MACHINE = "user-mode linux"


class Thing(NamedTuple):
    """One thing outside the lab's folder that must be undone."""

    kind: Kind
    name: str


class Record:
    """The things made so far, oldest first, and whether the lab was ever complete."""

    def __init__(
        self,
        folder: Path,
        made: list[Thing] | None = None,
        ready: bool = False,
        kernel: Kernel = Kernel.NATIVE,
        for_runs: bool = False,
    ) -> None:
        self.folder = folder
        self.kernel = kernel
        self.made = made or []
        self.ready = ready
        self.for_runs = for_runs  # it goes with the last run that uses it

    def will_make(self, kind: Kind, name: str) -> None:
        if (thing := Thing(kind, name)) not in self.made:  # a daemon that starts again is there already
            self.made.append(thing)
            self._write()

    def is_ready(self) -> None:
        self.ready = True
        self._write()

    def is_for_all(self) -> None:
        """It stays until somebody removes it."""
        if self.for_runs:
            self.for_runs = False
            self._write()

    def _write(self) -> None:
        content = {
            "made_by": _MADE_BY,
            "kernel": self.kernel,
            "ready": self.ready,
            "for_runs": self.for_runs,
            "made": self.made,
        }
        text = json.dumps(content, indent=1)
        unfinished = self.folder / _UNFINISHED
        unfinished.write_text(text)
        unfinished.rename(self.folder / RECORD)


def read(folder: Path) -> Record | None:
    """The record in `folder`; None where there is no lab. A folder that is not a lab's is an error.

    Also asked without the lock, so the lab may be made or removed by somebody else meanwhile.
    """
    try:
        content = json.loads((folder / RECORD).read_text())
        if content["made_by"] != _MADE_BY:
            raise KeyError("made_by")
        things = [Thing(Kind(kind), name) for kind, name in content["made"]]
        kernel = Kernel(content.get("kernel", Kernel.NATIVE))
        return Record(folder, things, bool(content["ready"]), kernel, bool(content.get("for_runs")))
    except (FileNotFoundError, NotADirectoryError):
        found = _names_in(folder)
        if RECORD in found:  # it has just been made
            return read(folder)
        if found - {_UNFINISHED}:
            raise UsageError(f"{folder} is there but is not a lab's folder; choose another") from None
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / RECORD} is not a lab's record ({error!r}); look at it by hand") from None


def _names_in(folder: Path) -> set[str]:
    """What is in the folder; of a file, its own name."""
    try:
        return {path.name for path in folder.iterdir()}
    except FileNotFoundError:  # or it has just been removed
        return set()
    except NotADirectoryError:
        return {folder.name}


@contextmanager
def locked(folder: Path, progress: Callable[[str], None]) -> Iterator[int]:
    """Holds the lab's lock, making the folder if there is none; yields the descriptor to hand to children."""
    while True:
        _make_folder(folder)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # somebody else has just removed it, see below
            continue
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress(f"waiting for another capnet lab command that works in {folder}")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is_still(folder, descriptor):  # the other one removed the folder: start over
                continue
            yield descriptor
            return
        finally:
            os.close(descriptor)


def _make_folder(folder: Path) -> None:
    """Makes it if there is none. UsageError where none can be made."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # not exist_ok: it may be gone again when that looks what is there
            folder.mkdir(mode=0o755)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be made ({error.strerror}); choose another folder with {FOLDER_VARIABLE}"
        ) from error


def _is_still(folder: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
