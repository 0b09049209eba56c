"""What an analyzer concludes from: the tables of one pass, the points, and who owns what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from capnet.analysis.core.payload import Checksums, DnsFailureKey, DnsFailures
from capnet.analysis.core.results import Evidence, Point
from capnet.analysis.core.schema import FLOW_POINT, ICMP_WIDTH, IcmpErrorTable
from capnet.topology import Topology


@dataclass
class Context:
    """Inputs of the analyzers, which change none of them.

    All arrays are int64, shape (n, *_WIDTH) of `core.schema`.
    """

    points: list[Point]
    topology: Topology | None
    flows: np.ndarray
    stations: np.ndarray
    arps: np.ndarray
    tunnels: np.ndarray
    observations: np.ndarray
    sample_share: float = 1.0  # share of digests observed; 1.0 = every packet was compared
    names: dict[str, str] = field(default_factory=dict)  # address → name, where it is unambiguous

    totals: dict[str, int] = field(
        default_factory=dict
    )  # rows before `aggregate.limits`: of `addresses`, `arps`, `tunnels`
    dns_failures: dict[DnsFailureKey, DnsFailures] = field(default_factory=dict)
    checksums: dict[int, Checksums] = field(default_factory=dict)  # by point
    icmp_errors: IcmpErrorTable = field(default_factory=lambda: np.zeros((0, ICMP_WIDTH), dtype=np.int64))
    derived: dict[Any, Any] = field(default_factory=dict, repr=False)  # results by function, filled by `core.derived`

    def evidence(self, point: int, frame: int) -> Evidence:
        """Evidence for a frame number at a point index."""
        place = self.points[point]
        return Evidence(place.name, place.file, int(frame))

    def flow_evidence(self, row: int, frame: int) -> Evidence:
        """Evidence for a frame of the flow in row `row` of the flow table."""
        return self.evidence(int(self.flows[row, FLOW_POINT]), frame)
