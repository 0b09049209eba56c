"""The fault files: found by name, loaded, and described. They lie in the folder faults of the scenarios."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from capnet.errors import UsageError
from capnet.scenario import library
from capnet.scenario.faults import Change


@dataclass(frozen=True)
class Fault:
    """A fault, as its file describes it."""

    name: str
    title: str  # what is wrong, in a line
    finding: str  # the one that must name it
    also: tuple[str, ...]  # other findings above info that may be told: symptoms, and true
    breaks: Change
    keeps_neighbours: bool  # the fault is in what nodes remember of each other's MACs
    needs_dockerd: bool
    needs_topology: bool  # packets alone do not name it
    needs_programs: tuple[str, ...]
    needs_kernel: tuple[str, ...]  # of `kernel_features.FEATURES`
    module: ModuleType

    @property
    def needs(self) -> str:
        """What it is made of and needs, in words."""
        place = "dockerd" if self.needs_dockerd else "namespaces"
        return ", ".join((place, *self.needs_programs, *self.needs_kernel))


def files() -> dict[str, Path]:
    """Fault name → its file, sorted by name."""
    return library.files("faults")


def faults_named_by(finding: str) -> list[str]:
    """The faults that a finding must name, by name; read without running their files."""
    line = re.compile(rf'^FINDING = "{re.escape(finding)}"', re.MULTILINE)
    return [name for name, path in files().items() if line.search(path.read_text(encoding="utf-8"))]


def load(name: str) -> Fault:
    """The fault of that name. UsageError, listing all, if there is no such fault."""
    paths = files()
    if name not in paths:
        raise UsageError(f"no fault {name!r}; there are: {', '.join(paths)}")
    module = library.load_file(paths[name])
    return Fault(
        name=name,
        title=library.summary(paths[name]).removeprefix(f"{name}:").strip(),
        finding=module.FINDING,
        also=tuple(getattr(module, "ALSO", ())),
        breaks=module.BREAKS,
        keeps_neighbours=getattr(module, "KEEPS_NEIGHBOURS", False),
        needs_dockerd=getattr(module, "NEEDS_DOCKERD", False),
        needs_topology=getattr(module, "NEEDS_TOPOLOGY", False),
        needs_programs=tuple(getattr(module, "NEEDS_PROGRAMS", ())),
        needs_kernel=tuple(getattr(module, "NEEDS_KERNEL", ())),
        module=module,
    )
