"""Who uses a lab at the moment, and whose turn it is to play in it.

Scenarios take names, ports and daemon settings, so one is played after the other; and a lab that was made for a run
goes with the last run that uses it. Both are flock(2) on files in the lab's folder: the kernel lets go of them
however a run ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from capnet.errors import CapnetError

_USERS = "users"
_TURN = "turn"


def prepare(folder: Path) -> None:
    """Makes the files of a lab that is ready. Not later: who removes the lab must find all there is."""
    for name in (_USERS, _TURN):
        (folder / name).touch(mode=0o600)


def enter(folder: Path) -> int:
    """One user more, as a descriptor for `leave`. Whoever asks holds the lab's lock, lest it be removed meanwhile."""
    user = os.open(folder / _USERS, os.O_RDWR)
    fcntl.flock(user, fcntl.LOCK_SH)
    return user


def leave(folder: Path, user: int) -> bool:
    """One user less; True if that was the last one of the lab that is in the folder now.

    Whoever asks holds the lab's lock, lest another enter meanwhile.
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
    """The block runs when nobody else's does. CapnetError if the lab was removed meanwhile."""
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
