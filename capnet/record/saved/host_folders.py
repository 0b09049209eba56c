"""Which host each saved output belongs to.

Convention: a folder for each host, and in it one for each network namespace. Method: a folder with output of `docker`
is a host's. Two such folders are two hosts if both have the same kind of it, else one host's outputs in two folders.
Without any output of docker, the top is a host if it has files, else each folder is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Folder = tuple[str, ...]
DOCKER_KINDS = frozenset({"containers", "networks", "info", "services"})


def host_folders(found_kinds: Iterable[tuple[Folder, str]]) -> list[Folder]:
    """The topmost folder of each host. `found_kinds`: (folder, kind of an output in it)."""
    kinds: dict[Folder, set[str]] = {}
    folders: set[Folder] = set()
    for folder, kind in found_kinds:
        folders.add(folder)
        if kind in DOCKER_KINDS:
            kinds.setdefault(folder, set()).add(kind)
    if not kinds:
        return [()] if () in folders or not folders else sorted({folder[:1] for folder in folders})
    groups: list[tuple[list[Folder], set[str]]] = []
    for folder in sorted(kinds):
        for members, of_group in groups:
            if not kinds[folder] & of_group:
                members.append(folder)
                of_group |= kinds[folder]
                break
        else:
            groups.append(([folder], set(kinds[folder])))
    return [
        _top(members, [other for each, _ in groups if each is not members for other in each]) for members, _ in groups
    ]


def host_of(folder: Folder, hosts: Sequence[Folder]) -> Folder:
    """The host's folder that lies above `folder`, the deepest; else the first host's."""
    above = [host for host in hosts if folder[: len(host)] == host]
    return max(above, key=len) if above else hosts[0]


def _top(members: Sequence[Folder], others: Sequence[Folder]) -> Folder:
    """The highest folder above all members and above no other host's."""
    length = min(map(len, members))
    common = next(n for n in range(length, -1, -1) if len({member[:n] for member in members}) == 1)
    top = members[0][:common]
    while top and not any(other[: len(top) - 1] == top[:-1] for other in others):
        top = top[:-1]
    return top
