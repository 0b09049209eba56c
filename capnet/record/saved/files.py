"""The files of a support bundle: single files, folders, and tar archives, compressed or not.

An archive is read member by member in memory; nothing of it is written to disk, so links and paths in it do no harm.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from capnet.errors import UnreadableInput
from capnet.quick_tuple import NamedTuple

MAX_FILE_BYTES = 64 << 20  # `docker inspect` of a thousand containers has 8 MiB
MAX_FILES = 20_000  # of all together: a bundle of a hundred hosts with a hundred containers each
MAX_ALL_BYTES = 512 << 20  # read at all: a small archive may unpack to terabytes
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2")


class SavedFile(NamedTuple):
    """A file of the bundle. `folders` lead to it, from the top of the bundle."""

    folders: tuple[str, ...]
    name: str
    text: str | None
    problem: str = ""  # why there is no text

    @property
    def path(self) -> str:
        """As it is told to the user."""
        return "/".join((*self.folders, self.name))


def saved_files(paths: Sequence[Path]) -> Iterator[SavedFile]:
    """The files of the paths. Raises UnreadableInput for what cannot be opened, and where there is too much."""
    files = size = 0
    for path in paths:
        for file in _files(path):
            files += 1
            size += len(file.text or "")
            if files > MAX_FILES:
                raise UnreadableInput(f"{path}: more than {MAX_FILES} files; name the folders of single hosts")
            if size > MAX_ALL_BYTES:
                raise UnreadableInput(f"{path}: more than {MAX_ALL_BYTES >> 20} MiB; name the folders of single hosts")
            yield file


def _files(path: Path) -> Iterator[SavedFile]:
    try:
        if path.is_dir():
            yield from _of_folder(path)
        elif path.name.endswith(_ARCHIVES):
            yield from _of_archive(path)
        else:
            with path.open("rb") as file:
                yield _saved((), path.name, file)
    except tarfile.TarError as error:
        raise UnreadableInput(f"{path}: not a tar archive ({error})") from error
    except (OSError, EOFError) as error:
        raise UnreadableInput(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _of_folder(path: Path) -> Iterator[SavedFile]:
    """Its regular files; links are not followed, so that no file is read twice and none outside."""
    for folder, folders, names in os.walk(path):
        folders.sort()
        parts = Path(folder).relative_to(path).parts
        for name in sorted(names):
            member = Path(folder, name)
            if member.is_symlink() or not member.is_file():
                continue
            try:
                with member.open("rb") as file:
                    yield _saved(parts, name, file)
            except OSError as error:
                yield SavedFile(parts, name, None, error.strerror or str(error))


def _of_archive(path: Path) -> Iterator[SavedFile]:
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            if member.isreg() and (file := archive.extractfile(member)):
                *folders, name = [part for part in member.name.split("/") if part not in ("", ".", "..")] or ["?"]
                yield _saved(tuple(folders), name, file)


def _saved(folders: tuple[str, ...], name: str, file: IO[bytes]) -> SavedFile:
    data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        return SavedFile(folders, name, None, f"longer than {MAX_FILE_BYTES >> 20} MiB")
    if b"\0" in data[:4096]:
        return SavedFile(folders, name, None, "no text")
    return SavedFile(folders, name, data.decode(errors="replace").removeprefix("\ufeff"))
