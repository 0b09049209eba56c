"""Times at a bridge, where many packets have the same content."""

from __future__ import annotations

from pathlib import Path

from tests.stories import Network, udp
from tests.story_reports import A, read

FLOWS = 200  # as many paths as a report has


def test_datagrams_with_one_content_keep_their_way(tmp_path: Path) -> None:
    """A load test by UDP: no identification, one payload, a new port each time, translated behind the bridge.

    Each is equal to all others, of which those of another time say nothing about it.
    """
    net = Network(["A/veth1", "A/docker0", "A/ens33"])
    for number in range(FLOWS):
        question = udp(f"172.17.0.2:{1024 + number} > 10.9.0.5:7000", b"same")
        at = number * 50.0
        net.at(at, "A/veth1", question)
        net.at(at + 8, "A/ens33", question.routed(src=A))
        net.at(at + 12, "A/docker0", question)
    ways = [[hop["point"] for hop in path["hops"]] for path in read(net, tmp_path)["paths"]]
    assert ways == [["A/veth1", "A/docker0"]] * FLOWS
