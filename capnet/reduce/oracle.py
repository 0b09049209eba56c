"""Asks whether a finding is told of some frames: they are written as a capture, which is analyzed as any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO

from capnet.analysis.core.contract.keys import LEVELS
from capnet.analysis.core.results import Finding
from capnet.analysis.engine import Options, Source, study
from capnet.errors import CapnetError
from capnet.reduce.frames import CandidateFrame, PointFacts, capture_of
from capnet.topology import Topology
from capnet.witnesses import Witnesses

MIN_COMPILED = 1 << 20  # bytes of a capture: a smaller one is read faster interpreted

Names = Sequence[tuple[str, str]]


class Oracle:
    """Whether a finding of this name is told, as bad as it was. `vxlan_port`: as of the analysis of the whole."""

    def __init__(self, name: str, level: str, is_symptom: bool, vxlan_port: int) -> None:
        self._name = name
        self._level = level
        self._is_symptom = is_symptom
        self._vxlan_port = vxlan_port

    def finding(
        self,
        frames: Sequence[CandidateFrame],
        points: Mapping[int, PointFacts],
        topology: Topology | None,
        names: Names,
        witnesses: Witnesses | None = None,
    ) -> Finding | None:
        """The finding, if these frames show it."""
        if not frames:
            return None
        capture = capture_of(frames, points, names)
        compiled = None if len(capture) > MIN_COMPILED else False
        options = Options(vxlan_port=self._vxlan_port, compiled=compiled, threads=1)
        try:
            report = study([Source(None, stream=BytesIO(capture))], topology, options, witnesses=witnesses).report
        except CapnetError:
            return None
        return self.finding_in(report.findings)

    def finding_in(self, findings: Iterable[Finding]) -> Finding | None:
        """The finding among those of a report; None if it is not there, or milder."""
        worst = LEVELS.index(self._level)
        return next(
            (
                row
                for row in findings
                if row.name == self._name
                and LEVELS.index(row.level) <= worst
                and (self._is_symptom or row.explained_by is None)
            ),
            None,
        )
