"""One packet is followed to every frame that it is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import study
from capnet.analysis.trace import packet_search
from capnet.analysis.trace.packet_trace import follow_packet
from tests.analysis.correlate.test_flow_links import remapped
from tests.stories import Network, udp
from tests.story_reports import A, B


def test_packet_of_remapped_flow_is_followed(tmp_path: Path) -> None:
    """Each packet of a flow with two translations is in two frames, one at each point."""
    captured = study(remapped().write(tmp_path))
    for number in range(48):
        trace = follow_packet(captured, 0, number + 1)
        assert len(trace.frames) == 2 and not trace.missing and not trace.alike
        first = number // 2 * 2 + 1
        assert [sighting.frame for sighting in trace.frames] == [first, first + 1]


def test_packet_with_many_equal_ones_before_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames before the one that was asked for are not all kept; then the sources are read once more."""
    net = Network(["A/ens33"])
    for _ in range(40):
        net.pass_by(("A/ens33", udp(f"{A}:5555 > {B}:7000", b"the same again", ident=1)), gap=1e6)
    captured = study(net.write(tmp_path))
    kept = [follow_packet(captured, 0, number) for number in (1, 2, 39, 40)]
    monkeypatch.setattr(packet_search, "MAX_KEPT", 5)
    assert [follow_packet(captured, 0, number) for number in (1, 2, 39, 40)] == kept
    assert [[sighting.frame for sighting in trace.frames] for trace in kept] == [[1], [2], [39], [40]]
    assert {len(trace.alike) for trace in kept} == {packet_search.MAX_ALIKE}
