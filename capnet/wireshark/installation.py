"""Installs and removes files that Wireshark reads, and looks which of them are there.

Only files with capnet's own mark are replaced or removed. A folder that is empty then goes too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from capnet.errors import EnvironmentLacks
from capnet.quick_tuple import NamedTuple
from capnet.whole_file import whole
from capnet.wireshark.mark import FileState, Installed, look_at
from capnet.wireshark.parts import File

_KEPT = {
    FileState.EDITED: "was edited since capnet installed it",
    FileState.FOREIGN: "is not capnet's, or Wireshark saved it since",
}
_FOLDERS = ("capnet", "profiles", "extcap", "plugins", "wireshark")  # that may go when they are empty


class FileOutcome(NamedTuple):
    """What was done with a file: `installed`, `is up to date`, `removed`; or why it was kept as it is."""

    path: Path
    done: str
    kept: bool = False


def examine(file: File) -> Installed:
    """What is at the place of the file. Raises EnvironmentLacks if that cannot be read."""
    try:
        return look_at(file.path, file.text)
    except OSError as error:
        raise EnvironmentLacks(f"{file.path}: cannot be read ({error.strerror})") from error


def install(files: Iterable[File]) -> Iterator[FileOutcome]:
    """Writes the files, each whole or not at all. Raises EnvironmentLacks where one cannot be written."""
    for file in files:
        state = examine(file).state
        if state in _KEPT and file.is_rewritten:
            yield FileOutcome(file.path, "is as Wireshark saved it")
        elif state in _KEPT:
            yield FileOutcome(file.path, f"{_KEPT[state]}; remove it to get capnet's", kept=True)
        elif state is FileState.CURRENT:
            yield FileOutcome(file.path, "is up to date")
        else:
            try:
                file.path.parent.mkdir(parents=True, exist_ok=True)
                with whole(file.path) as stream:
                    stream.write(file.text.encode())
                file.path.chmod(file.mode)
            except OSError as error:
                raise EnvironmentLacks(f"{file.path}: cannot be written ({error.strerror})") from error
            yield FileOutcome(file.path, "installed")


def uninstall(files: Iterable[File]) -> Iterator[FileOutcome]:
    """Removes those of the files that carry capnet's mark. Raises EnvironmentLacks where one cannot be removed."""
    for file in files:
        state = examine(file).state
        if state in _KEPT:
            yield FileOutcome(file.path, f"{_KEPT[state]}; it is yours to remove", kept=True)
        elif state is not FileState.ABSENT:
            try:
                file.path.unlink()
            except OSError as error:
                raise EnvironmentLacks(f"{file.path}: cannot be removed ({error.strerror})") from error
            yield FileOutcome(file.path, "removed")
            _remove_empty_folders(file.path.parent)


def _remove_empty_folders(folder: Path) -> None:
    with suppress(OSError):  # not empty, or not ours to remove
        while folder.name in _FOLDERS:
            folder.rmdir()
            folder = folder.parent
