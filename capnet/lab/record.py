"""The record of everything that a lab made outside its folder, written before each thing is made.

So `lab.json` names whatever a `kill -9` leaves behind, and `capnet lab down` can remove it.
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

from capnet.errors import UsageError
from capnet.lab.addressing import HostKernel
from capnet.quick_tuple import NamedTuple

RECORD = "lab.json"
_UNFINISHED = "lab.json.new"
_MADE_BY = "capnet lab"


class ResourceKind(StrEnum):
    """What a lab makes outside its folder."""

    MOUNT = "mount onto itself"
    NAMESPACE = "network namespace"
    FOLDER = "folder"
    CGROUP = "cgroup"
    DAEMON = "docker daemon"
    MACHINE = "user-mode linux"


class Thing(NamedTuple):
    """One thing outside the lab's folder that must be undone."""

    kind: ResourceKind
    name: str


class LabRecord:
    """The things made so far, oldest first, and whether the lab was ever complete."""

    def __init__(
        self,
        folder: Path,
        made: list[Thing] | None = None,
        ready: bool = False,
        kernel: HostKernel = HostKernel.NATIVE,
        for_runs: bool = False,
    ) -> None:
        self.folder = folder
        self.kernel = kernel
        self.made = made or []
        self.ready = ready
        self.for_runs = for_runs  # it goes with the last run that uses it

    def will_make(self, kind: ResourceKind, name: str) -> None:
        """Records a thing that is made next."""
        if (thing := Thing(kind, name)) not in self.made:  # a daemon that starts again is there already
            self.made.append(thing)
            self._write()

    def mark_ready(self) -> None:
        """Records that the lab is complete."""
        self.ready = True
        self._write()

    def keep(self) -> None:
        """Marks the lab as one that stays until `capnet lab down`."""
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


def read(folder: Path) -> LabRecord | None:
    """The record in `folder`; None where there is no lab. A folder that is not a lab's is an error.

    Also called without the lock, so another process may make or remove the lab meanwhile.
    """
    try:
        content = json.loads((folder / RECORD).read_text())
        if content["made_by"] != _MADE_BY:
            raise KeyError("made_by")
        things = [Thing(ResourceKind(kind), name) for kind, name in content["made"]]
        kernel = HostKernel(content.get("kernel", HostKernel.NATIVE))
        return LabRecord(folder, things, bool(content["ready"]), kernel, bool(content.get("for_runs")))
    except (FileNotFoundError, NotADirectoryError):
        names = _names_in(folder)
        if RECORD in names:  # it has just been made
            return read(folder)
        if names - {_UNFINISHED}:
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
