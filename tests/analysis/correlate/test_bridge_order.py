"""Times at a bridge, where many packets have the same content."""

from __future__ import annotations

import time
from pathlib import Path

from tests.stories import Network, udp
from tests.story_reports import A, read

FLOWS, MAX_SECONDS = 5000, 10.0  # comparing each with all takes 25 s, with those of its time 1.5 s


def test_datagrams_with_one_content_are_quick(tmp_path: Path) -> None:
    """A load test by UDP: no identification, one payload, a new port each time, translated behind the bridge."""
    net = Network(["A/veth1", "A/docker0", "A/ens33"])
    for number in range(FLOWS):
        question = udp(f"172.17.0.2:{1024 + number} > 10.9.0.5:7000", b"same")
        at = number * 50.0
        net.at(at, "A/veth1", question)
        net.at(at + 8, "A/ens33", question.routed(src=A))
        net.at(at + 12, "A/docker0", question)
    began = time.process_time()
    assert len(read(net, tmp_path)["points"]) == 3
    assert time.process_time() - began < MAX_SECONDS
