"""What an analyzer concludes from: the tables of one pass, the points, and who owns what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from capnet.analyze.columns import FLOW_POINT
from capnet.analyze.facts import Evidence, Nat, Path, Point, Proxy, Tunnel
from capnet.analyze.peeks import Peeks
from capnet.topology import Topology

if TYPE_CHECKING:
    from capnet.analyze.arrays import ByDigest
    from capnet.analyze.clocks import Clocks
    from capnet.analyze.copies import Duplicates
    from capnet.analyze.layer2 import Segments
    from capnet.analyze.links import Links
    from capnet.analyze.proxies import Proxied
    from capnet.analyze.stations import Speaker


@dataclass
class Context:
    """Read-only for analyzers, but for the facts: the engine adds each analyzer's result for those that follow.

    All arrays are int64, shape (n, *_WIDTH) of `analyze.columns`.
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

    in_all: dict[str, int] = field(default_factory=dict)  # rows before `analyze.bounds`: of `addresses`, of `arps`
    peeks: Peeks | None = None  # what the bytes told that rows do not
    clocks: Clocks | None = None  # by clocks.clocks(): which points' clocks disagree, by how much
    links: Links | None = None  # by identity.links(): which flows are the same packets at the next point
    by_digest: ByDigest | None = None  # by copies.observations_by_digest()
    doubtful: np.ndarray | None = None  # by copies.in_doubt(): indexes of observations that their flow shows again
    carrying: np.ndarray | None = None  # by tunnels.outsides(): flows that carry tunnels
    copies: dict[int, Duplicates] = field(default_factory=dict)  # by copies.duplicates(), within so many ns
    once: np.ndarray | None = None  # by copies.counted_once(): packets of each flow without copies
    again: np.ndarray | None = None  # by gaps.sent_again(): TCP segments that each flow sent again
    proxied: list[Proxied] | None = None  # by proxies.proxied(): connections that a proxy carries on
    answers: np.ndarray | None = None  # by rows.replies(): the opposite direction of each flow
    speakers: dict[tuple[int | None, bool], dict[int, Speaker]] = field(default_factory=dict)  # by stations.speakers()
    known_macs: dict[int, list[tuple[str, str]]] | None = None  # by stations: (name, kind) of a MAC by the topology
    homes: dict[int, list[int]] | None = None  # by stations.home_points(): MAC → points that are its own interface
    segments: Segments | None = None  # by segments.segments(): who sits where on layer 2
    tunnel_facts: list[Tunnel] = field(default_factory=list)
    path_facts: list[Path] = field(default_factory=list)
    nat_facts: list[Nat] = field(default_factory=list)
    proxy_facts: list[Proxy] = field(default_factory=list)

    def evidence(self, point: int, frame: int) -> Evidence:
        """Evidence for a frame number at a point index."""
        place = self.points[point]
        return Evidence(place.name, place.file, int(frame))

    def flow_evidence(self, row: int, frame: int) -> Evidence:
        """Evidence for a frame of the flow in row `row` of the flow table."""
        return self.evidence(int(self.flows[row, FLOW_POINT]), frame)
