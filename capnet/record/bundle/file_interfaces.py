"""Interfaces of the inputs, where points are more: a capture at `any` is one interface with several points."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import numpy as np

from capnet.analysis.engine import Study

PerPoint: TypeAlias = Annotated[np.ndarray, "(n,) int64"]


class FileInterfaces:
    """All interfaces of a study's inputs, numbered through.

    `first`: per input, the number of its first. `of_point`: per point, its number. `names`: of each, its point's; of
    several points their host's, and `any`.
    """

    def __init__(self, study: Study) -> None:
        points = study.report.points
        self.first: list[int] = []
        self.names: list[str] = []
        self.of_point: PerPoint = np.zeros(len(points), dtype=np.int64)
        ends = [*study.bases[1:], len(points)]
        for base, end in zip(study.bases, ends, strict=True):
            self.first.append(len(self.names))
            self.of_point[base:end] = [self.first[-1] + point.interface for point in points[base:end]]
            names: dict[int, list[str]] = {}
            for point in points[base:end]:
                names.setdefault(point.interface, []).append(point.name)
            self.names += [_common_name(names[number]) for number in sorted(names)]


def _common_name(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    host, slash, _ = names[0].rpartition("/")
    return f"{host}{slash}any"
