"""Faults: small networks that work, the one line that breaks each, and the finding that must name it."""

from __future__ import annotations

from capnet.quick_tuple import NamedTuple


class Change(NamedTuple):
    """A shell command on a node, a host (`A`) or a container (`A/web`).

    `undo` takes it back on a Docker host that stays; a network made of bare namespaces goes as a whole.
    """

    node: str
    command: str
    undo: str = ""

    def __str__(self) -> str:
        return f"{self.node}: {self.command}"
