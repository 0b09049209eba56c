"""Opens files that grow while a capture runs, and that only their owner reads; see `whole_file`."""

from __future__ import annotations

import os
from pathlib import Path

from capnet.whole_file import give_to_caller, link_target

_MODE = 0o600


def create(path: Path, *, may_exist: bool) -> int:
    """Opens an empty file for writing and returns its descriptor. Raises OSError.

    Unless it `may_exist`, a file or link of that name is an error: the folder may be writable for others. A file that
    exists keeps its owner and mode.
    """
    if may_exist:
        path = link_target(path)
        if path.exists():
            return os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    give_to_caller(descriptor)
    return descriptor
