"""host and none: what silence at other points adds to a guess."""

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


def test_host_model_is_likelier_with_a_silent_bridge(tmp_path: Path) -> None:
    confidences = []
    for points in (["if0", "if1"], ["if0", "if1", "A/docker0"]):
        net = Network(points)
        arp_everywhere(net, ["if0"], HOST_MAC, HOST, "192.168.111.1")
        exchange(net, Socket(HOST_MAC, HOST, 40000), Socket(B_MAC, B, 80), "if0", "if1")
        (model,) = read(net, tmp_path)["models"]
        assert model["model"] == "host"
        confidences.append(model["confidence"])
    assert confidences[0] < 0.5 <= confidences[1]


def test_none_model_is_likelier_with_silent_points(tmp_path: Path) -> None:
    for points, confidence in ((["if0"], 0.3), (["if0", "if1", "if2"], 0.8)):
        net = Network(points)
        net.pass_by(("if0", ping("127.0.0.1 > 127.0.0.1", 1, 1, smac=LO_MAC, dmac=LO_MAC)))
        (model,) = read(net, tmp_path)["models"]
        assert (model["model"], model["confidence"]) == ("none", confidence)
