"""One packet is followed to every frame that it is in."""

from __future__ import annotations

from pathlib import Path

from capnet.analysis.engine import study
from capnet.analysis.trace.packet_trace import follow_packet
from tests.analysis.correlate.test_flow_links import remapped


def test_packet_of_remapped_flow_is_followed(tmp_path: Path) -> None:
    """Each packet of a flow with two translations is in two frames, one at each point."""
    found = study(remapped().write(tmp_path))
    for number in range(48):
        journey = follow_packet(found, 0, number + 1)
        assert len(journey.frames) == 2 and not journey.missing and not journey.alike
        first = number // 2 * 2 + 1
        assert [each.frame for each in journey.frames] == [first, first + 1]
