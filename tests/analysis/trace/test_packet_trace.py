"""One packet is followed to every frame that it is in."""

from __future__ import annotations

from pathlib import Path

from capnet.analysis.engine import study
from capnet.analysis.trace.packet_trace import follow_packet
from tests.analysis.correlate.test_flow_links import remapped


def test_packet_of_remapped_flow_is_followed(tmp_path: Path) -> None:
    """Each packet of a flow with two translations is in two frames, one at each point."""
    captured = study(remapped().write(tmp_path))
    for number in range(48):
        trace = follow_packet(captured, 0, number + 1)
        assert len(trace.frames) == 2 and not trace.missing and not trace.alike
        first = number // 2 * 2 + 1
        assert [sighting.frame for sighting in trace.frames] == [first, first + 1]
