"""host and none: what silence at other points adds to a guess, which only the topology makes likely."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.facts.models.stations import (
    B_MAC,
    HOST,
    HOST_MAC,
    LO_MAC,
    B,
    Socket,
    arp_everywhere,
    exchange,
)
from tests.stories import Network, ping
from tests.story_reports import read


def test_host_model_stays_unlikely_with_a_silent_bridge(tmp_path: Path) -> None:
    """A host with Docker that is doing something else looks the same."""
    for points, confidence in ((["if0", "if1"], []), (["if0", "if1", "A/docker0"], [0.13])):
        net = Network(points)
        arp_everywhere(net, ["if0"], HOST_MAC, HOST, "192.168.111.1")
        exchange(net, Socket(HOST_MAC, HOST, 40000), Socket(B_MAC, B, 80), "if0", "if1")
        models = read(net, tmp_path)["models"]
        assert [model["confidence"] for model in models] == confidence
        assert all(model["model"] == "host" for model in models)


def test_none_model_stays_unlikely_with_silent_points(tmp_path: Path) -> None:
    """What was not captured cannot be said to be silent."""
    for points, confidence in ((["if0"], []), (["if0", "if1", "if2"], [0.2])):
        net = Network(points)
        net.pass_by(("if0", ping("127.0.0.1 > 127.0.0.1", 1, 1, smac=LO_MAC, dmac=LO_MAC)))
        models = read(net, tmp_path)["models"]
        assert [model["confidence"] for model in models] == confidence
        assert all(model["model"] == "none" for model in models)
