"""Times at a bridge, where many packets have the same content."""

from __future__ import annotations

from pathlib import Path

from capnet import analyze
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


WEB_ALONE = ["A/br-d878eb4fb418", "A/vetha184ee7", "A/web/eth0"]


def test_veth_of_the_receiver_is_behind_the_bridge() -> None:
    """Recorded by `capnet capture web`: another container asks web, and its own veth is not captured.

    The bridge passes a duplicate up after it has sent the frame out by web's veth: by time stamps the veth is first.
    """
    paths = analyze(Path(__file__).parent / "one_veth.pcapng").to_dict()["paths"]
    ways = {(path["flow"]["src"], path["flow"]["dst"]): [hop["point"] for hop in path["hops"]] for path in paths}
    assert ways == {("172.18.0.3", "172.18.0.2"): WEB_ALONE, ("172.18.0.2", "172.18.0.3"): WEB_ALONE[::-1]}


def test_veth_of_another_station_keeps_its_time(tmp_path: Path) -> None:
    """A frame that a container sends comes in by its veth, before the bridge."""
    net = Network(["A/veth1", "A/docker0"])
    for number in range(4):
        net.at(number * 50.0, "A/veth1", udp("172.17.0.2:5000 > 172.17.0.3:7000", b"same", ident=number))
        net.at(number * 50.0 + 3, "A/docker0", udp("172.17.0.2:5000 > 172.17.0.3:7000", b"same", ident=number))
    (path,) = read(net, tmp_path)["paths"]
    assert [hop["point"] for hop in path["hops"]] == ["A/veth1", "A/docker0"]
