"""Files that only their owner reads: packets hold passwords, and capnet runs as root.

Under sudo(8) the owner is the user who called it, who wants to open the file without sudo.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import mkstemp

_MODE = 0o600


def create(path: Path, *, may_exist: bool) -> int:
    """Opens an empty file for writing and returns its descriptor. Raises OSError.

    Unless it `may_exist`, a file or link of that name is an error: the folder may be writable for others.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if may_exist else os.O_EXCL | os.O_NOFOLLOW)
    existed = may_exist and path.exists()
    descriptor = os.open(path, flags, _MODE)
    if not existed:
        _give_to_caller(descriptor)
    return descriptor


def write_text(path: Path, text: str) -> None:
    """Replaces `path` by a file with this text, whole or not at all. Raises OSError."""
    descriptor, unfinished = mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            _give_to_caller(file.fileno())
            file.write(text)
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _give_to_caller(descriptor: int) -> None:
    user, group = (os.environ.get(f"SUDO_{name}", "") for name in ("UID", "GID"))
    if os.geteuid() == 0 and user.isdecimal() and group.isdecimal():
        os.fchown(descriptor, int(user), int(group))
