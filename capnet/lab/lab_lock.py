"""The locks of a lab: who changes it, who uses it, and whose turn it is to run a scenario in it.

All are flock(2), which the kernel releases however a process ends.

- The lab's folder itself: held by the process that changes the lab, and by its short-lived commands, which inherit the
  descriptor. So no command of a killed `up` still makes something when the lock is free.
- `users`: shared by all runs that use the lab. A lab that was made for a run is removed by the last of them.
- `turn`: held by the scenario that runs. Scenarios take names, ports and daemon settings, so one runs after the other.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from capnet.errors import CapnetError, UsageError
from capnet.lab.addressing import FOLDER_VARIABLE

_USERS = "users"
_TURN = "turn"


@contextmanager
def locked(folder: Path, progress: Callable[[str], None]) -> Iterator[int]:
    """Holds the lab's lock, making the folder if there is none; yields the descriptor to hand to children."""
    while True:
        _make_folder(folder)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # another process has just removed it, see below
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


def prepare(folder: Path) -> None:
    """Makes the files of a lab that is ready. Not later: the removal of the lab must find them all."""
    for name in (_USERS, _TURN):
        (folder / name).touch(mode=0o600)


def enter(folder: Path) -> int:
    """Adds a user and returns the descriptor for `leave`. The caller holds the lab's lock, so that the lab stays."""
    user = os.open(folder / _USERS, os.O_RDWR)
    fcntl.flock(user, fcntl.LOCK_SH)
    return user


def users(folder: Path) -> list[str]:
    """Who uses the lab, this process left out: `capnet scenario bridge --lab (process 4711)`."""
    try:
        used = (folder / _USERS).stat()
    except OSError:
        return []
    names: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is closed to this user
            if process.name != str(os.getpid()) and _has_open(process, used):
                names.append(f"{_command(process)} (process {process.name})")
    return names


def _has_open(process: Path, file: os.stat_result) -> bool:
    """Raises OSError where the process has ended, or is closed to this user."""
    for descriptor in list((process / "fd").iterdir()):
        with suppress(OSError):
            if os.path.samestat(descriptor.stat(), file):
                return True
    return False


def _command(process: Path) -> str:
    """Its words from `capnet` on, as a person wrote them; else all."""
    words = (process / "cmdline").read_text(encoding="utf-8", errors="replace").rstrip("\0").split("\0")
    at = next((number for number, word in enumerate(words) if word.rpartition("/")[2] == "capnet"), None)
    line = " ".join(words if at is None else ["capnet", *words[at + 1 :]])
    return line if line.isprintable() else "another program"


def leave(folder: Path, user: int) -> bool:
    """Removes a user; True if it was the last one of the lab that is in the folder now.

    The caller holds the lab's lock, so that no other user enters meanwhile.
    """
    try:
        fcntl.flock(user, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(user), (folder / _USERS).stat())
    except (BlockingIOError, FileNotFoundError):  # others use it; it has been removed
        return False
    finally:
        os.close(user)


@contextmanager
def turn(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """The block runs when no other block does. CapnetError if the lab was removed meanwhile."""
    descriptor = _open(folder)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another scenario that is being played in this lab")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.close(_open(folder))
        yield
    finally:
        os.close(descriptor)


def _open(folder: Path) -> int:
    try:
        return os.open(folder / _TURN, os.O_RDWR)
    except FileNotFoundError as error:
        raise CapnetError("the lab has been removed meanwhile; start it anew: capnet lab up") from error
