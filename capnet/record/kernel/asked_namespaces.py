"""Network namespaces whose kernels are asked: those of capture points, and each host's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.shell import Shell

NetnsKey: TypeAlias = tuple[Shell, str]  # a network namespace: its machine, and the file that it is

MAX_NAMESPACES = 64  # that are asked: a host of a hundred captured containers is asked for the first ones


@dataclass(frozen=True)
class AskedNamespace:
    """A network namespace to ask: its name (`A`, `A/web`), the file that it is, and the capture points in it."""

    name: str
    shell: Shell
    netns: str
    points: tuple[CapturePoint, ...] = ()

    @property
    def key(self) -> NetnsKey:
        """What tells namespaces apart."""
        return self.shell, self.netns

    @property
    def point_names(self) -> list[str]:
        """The names of its points."""
        return [point.name for point in self.points]


def asked_namespaces(points: Sequence[CapturePoint], others: Sequence[AskedNamespace] = ()) -> list[AskedNamespace]:
    """The namespaces of capture points, and further ones; each once, at most MAX_NAMESPACES."""
    names: dict[NetnsKey, str] = {place.key: place.name for place in others}
    inside: dict[NetnsKey, list[CapturePoint]] = {key: [] for key in names}
    for point in points:
        key = point.shell, point.netns
        names.setdefault(key, point.name.rpartition("/")[0])
        inside.setdefault(key, []).append(point)
    places = [AskedNamespace(names[key], *key, tuple(of_key)) for key, of_key in inside.items()]
    return places[:MAX_NAMESPACES]
