"""Where machine code is kept: what comes with capnet, and the cache of the user.

A file is one line with the key of its sources and a checksum, then an object file that holds the kernel as the plain
function `int32 f(int64 *result, void **error, arguments…)`, numba's own calling convention; an array is two arguments,
address and length. What comes with capnet is for any Linux on a processor of the architecture; contributors make it by
`python -m tests.machine_code`.
"""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path

from capnet.jit import notices
from capnet.jit.checksum import checksum

SHIPPED = Path(__file__).with_name("machine_code")  # a folder for each processor architecture
DIRECT = "x86_64-linux"  # whose machine code `elf_loader` knows


class Store:
    """Files of machine code of one kernel. `name`: its module and its own name. `key`: of its sources."""

    def __init__(self, name: str, key: str) -> None:
        self.name = name
        self.key = key
        self.shipped = SHIPPED / platform() / f"{name}.o"

    @cached_property
    def cached(self) -> Path | None:
        """The file in the cache of the user; None if there is no cache."""
        folder = cache_folder()
        return folder and folder / f"{self.name}-{self.key}-{_compiler()}.o"

    def is_kept(self) -> bool:
        """Whether there is machine code of these sources."""
        return self.is_shipped() or bool(self.cached and self.cached.exists())

    def read(self) -> bytes:
        """The object file. OSError or ValueError if there is none that is whole and may be run."""
        try:
            return self._code(self.shipped.read_bytes())
        except (OSError, ValueError):
            return self._code(self._of_cache())

    def _of_cache(self) -> bytes:
        if self.cached is None:
            raise ValueError("there is no cache folder")
        with self.cached.open("rb") as opened:
            status = os.fstat(opened.fileno())
            if hasattr(os, "geteuid") and (status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022):
                raise ValueError(f"{self.cached}: another user may have written it")
            return opened.read()

    def is_shipped(self) -> bool:
        """Whether machine code of these sources comes with capnet."""
        try:
            with self.shipped.open("rb") as opened:
                return opened.read(len(self.key)) == self.key.encode()
        except OSError:
            return False

    def _code(self, content: bytes) -> bytes:
        """The object file in a file's content. ValueError if it is of other sources, or damaged."""
        head, _, code = content.partition(b"\n")
        if head != self._head(code):
            raise ValueError(f"{self.name}: of other sources, or damaged")
        return code

    def _head(self, code: bytes) -> bytes:
        return f"{self.key} {checksum(code)}".encode()

    def content(self, code: bytes) -> bytes:
        """What a file with this object file holds."""
        return self._head(code) + b"\n" + code

    def keep(self, code: bytes) -> None:
        """Write an object file to the cache; where that is not possible, say why."""
        if self.cached is None:
            notices.tell_unkept(None, "there is no home folder")
            return
        try:
            _write_whole(self.cached, self.content(code))
        except OSError as error:  # a read-only or full home: the next process makes it again
            notices.tell_unkept(self.cached.parent, error.strerror or str(error))


def _write_whole(file: Path, content: bytes) -> None:
    import tempfile  # takes longer to import than a small capture to decode

    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, part = tempfile.mkstemp(dir=file.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
        Path(part).replace(file)
    except OSError:
        Path(part).unlink(missing_ok=True)
        raise


def platform() -> str:
    """`x86_64-linux`: what machine code runs on."""
    return f"{os.uname().machine}-{sys.platform}" if hasattr(os, "uname") else sys.platform


def _compiler() -> str:
    """What machine code of the cache depends on, besides its sources."""
    import llvmlite  # the package alone, without LLVM itself

    return f"{platform()}-{llvmlite.__version__}"


def cache_folder() -> Path | None:
    """Where compiled kernels are kept (XDG base directory specification: a path that is not absolute is ignored).

    None without a home: a container's user may be a number without a name.
    """
    cache_home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if cache_home.is_absolute():
        return cache_home / "capnet"
    if os.environ.get("HOME") == "":  # Python takes it for the root folder
        return None
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ".cache" / "capnet" if home.is_absolute() else None
