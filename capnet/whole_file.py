"""Files that are written completely or not at all, and files that only their owner reads.

Packets hold passwords, and capnet runs as root in folders that others may write to. So an unfinished file has a name
that cannot be guessed, and a symbolic link that another user made is not followed. Under sudo(8) the owner of what is
private is the user who called it, who wants to open it without sudo.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from capnet.errors import CapnetError, EnvironmentLacks, UsageError

_PRIVATE = 0o600
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """A file that replaces `path` when the block ends. After an exception nothing has changed there. Raises OSError.

    `private`: only its owner can read it, see above; else it has the mode of the file that it replaces.
    """
    path = _replaceable(path)
    half = _half_file(path)
    try:
        with os.fdopen(_made(half), "wb") as file:
            yield file
            if private:
                give_to_caller(file.fileno())
        half.chmod(_PRIVATE if private else _mode_like(path))
        half.replace(path)
    except BaseException:  # Ctrl-C too: no half file stays behind
        half.unlink(missing_ok=True)
        raise


def kind_of(error: OSError) -> type[CapnetError]:
    """Which error a failed write is: a full disk is what the environment lacks, else the path is wrong usage."""
    return EnvironmentLacks if error.errno in _FULL else UsageError


def not_written(path: Path | str, error: OSError) -> CapnetError:
    """The error of a failed write, which says what is in its way."""
    reason, folder = error.strerror or str(error), Path(path).absolute().parent
    if error.errno == errno.ENOENT and not folder.is_dir():
        reason = f"there is no folder {Path(path).parent}"
    return kind_of(error)(f"{path}: cannot be written ({reason})")


def link_target(path: Path) -> Path:
    """The path at the end of all links.

    Raises OSError if they form a circle (ELOOP), or if the last link is another user's (EPERM): in a folder that all
    may write to, it leads where that user wants root to write.
    """
    try:
        target = path.resolve()
        owner = path.lstat().st_uid if path.is_symlink() else os.geteuid()
    except RuntimeError:  # a circle in Python before 3.13; later versions return a link
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if owner not in (0, os.geteuid(), caller()[0]):
        raise OSError(errno.EPERM, "is a symbolic link that another user made", str(path))
    return target


def make_folder(path: Path) -> list[Path]:
    """Makes a folder and its parents where they are missing; returns those that it made, outermost first.

    Under sudo they belong to the caller. Raises OSError.
    """
    made = [folder for folder in (path, *path.parents) if not folder.exists()][::-1]
    for folder in made:
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            give_to_caller(descriptor)
        finally:
            os.close(descriptor)
    return made


def give_to_caller(descriptor: int) -> None:
    """Makes the user who called sudo the owner of what root has open; else does nothing."""
    user, group = caller()
    if os.geteuid() == 0 and user is not None and group is not None:
        os.fchown(descriptor, user, group)


def caller() -> tuple[int | None, int | None]:
    """User and group of who called sudo(8), None without it."""
    user, group = (os.environ.get(f"SUDO_{name}", "") for name in ("UID", "GID"))
    if user.isdecimal() and group.isdecimal():
        return int(user), int(group)
    return None, None


def check_writable(path: Path) -> None:
    """Raises OSError where `whole` could not write `path`. It tries to, and removes what it makes for that."""
    folders: list[Path] = []
    try:
        folders = make_folder(path.absolute().parent)
        half = _half_file(_replaceable(path))
        try:
            os.close(_made(half))
        finally:
            half.unlink(missing_ok=True)
    finally:
        for folder in reversed(folders):
            with suppress(OSError):  # another process has put something there meanwhile
                folder.rmdir()


def _half_file(path: Path) -> Path:
    """The name of a file that is not whole yet, chosen before it is made: Ctrl-C may come as soon as it is there.

    40 characters of the name leave room: a name has 255 bytes, a character up to 4. No other file has the rest.
    """
    return path.parent / f".{path.name[:40]}.{os.urandom(8).hex()}"


def _made(half: Path) -> int:
    """A descriptor of the new file, which its owner alone can read."""
    return os.open(half, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)


def _replaceable(path: Path) -> Path:
    """The path at the end of all links, which stay. Raises OSError where something is that is no regular file."""
    target = link_target(path)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if target.exists() and not target.is_file():  # /dev/null, say, which root could replace
        raise OSError(errno.EINVAL, "is there and is no regular file", str(target))
    return target


def _mode_like(path: Path) -> int:
    """The mode of the file that is there, else that of a new one."""
    return path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask()


def _umask() -> int:
    """The umask of this process, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
