"""Keeps files within the folders that a person named: paths are resolved first, symbolic links included.

Limits: a path is resolved, compared and then opened. Who can replace files in these folders at that very moment can
lead a path elsewhere; who may write there can put anything there anyway.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from capnet.errors import UsageError
from capnet.wire.formats import is_capture_name

BESIDE = (".topology.json", ".witnesses.json")  # files that are read with a capture
MAX_WALKED = 20_000  # files that are looked at for captures
MAX_PATH = 4096  # bytes of a path, as Linux has it


class Folders:
    """The folders that may be read. `roots`: resolved."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.roots = [folder.resolve(strict=True) for folder in folders]

    def file(self, given: str) -> Path:
        """The resolved path of a regular file below one of the folders; raises UsageError for any other path."""
        if not given or "\0" in given or len(os.fsencode(given)) > MAX_PATH:
            raise UsageError("a path is 1 to 4096 bytes without NUL")
        for root in self.roots:
            try:
                path = (root / given).resolve(strict=True)
            except (OSError, RuntimeError):
                continue
            if self._has(path):
                if not path.is_file():
                    raise UsageError(f"{given}: is no regular file; `open` without files lists the captures")
                self._check_beside(given, path)
                return path
        raise UsageError(f"{given}: no such file in the folders of this server; `open` without files lists captures")

    def captures(self) -> list[str]:
        """The captures below the folders, by name: those that `file` takes."""
        names = []
        for number, (root, path) in enumerate(self._walk()):
            if number >= MAX_WALKED:
                break
            if is_capture_name(path.name):
                name = str(path.relative_to(root)) if len(self.roots) == 1 else str(path)
                with suppress(UsageError):
                    self.file(name)
                    names.append(name)
        return sorted(names)

    def without_roots(self, text: str) -> str:
        """A message without the names of the folders above a file."""
        for root in self.roots:
            text = text.replace(f"{root}{os.sep}", "")
        return text

    def _walk(self) -> Iterator[tuple[Path, Path]]:
        for root in self.roots:
            for folder, subfolders, files in os.walk(root):
                subfolders.sort()
                yield from ((root, Path(folder, file)) for file in sorted(files))

    def _has(self, path: Path) -> bool:
        return any(path.is_relative_to(root) for root in self.roots)

    def _check_beside(self, given: str, path: Path) -> None:
        """Raises UsageError if a file that is read with the capture lies elsewhere."""
        for suffix in BESIDE:
            beside = path.with_suffix(suffix)
            if beside.exists() and not (self._has(beside.resolve()) and beside.is_file()):
                raise UsageError(f"{given}: {beside.name} beside it leads out of the folders of this server")
