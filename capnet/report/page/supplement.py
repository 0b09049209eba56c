"""What a page shows beside the report: who made it from what, the topology, and the frames of the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from capnet.quick_dataclass import value
from capnet.report.page.frames import EvidenceFrame
from capnet.topology import Topology

FrameKey = tuple[str, int]  # name of the file in the report, number of the frame


@value
class Supplement:
    """All of it is optional: a report that was made elsewhere has none of it."""

    command: str = ""  # that made the page
    topology: Topology | None = None
    digests: Mapping[str, str] = field(default_factory=dict)  # file → SHA-256
    frames: Mapping[FrameKey, EvidenceFrame] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)  # file → how it was given on the command line
