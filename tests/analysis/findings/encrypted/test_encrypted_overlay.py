"""encrypted-overlay: ESP of an overlay network, and a network that is meant to have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Network as DockerNetwork
from tests.analysis.findings.reported import Findings, of_capture, of_story, two_hosts
from tests.stories import Network, udp
from tests.story_reports import A, B


def in_clear(folder: Path, options: dict[str, str]) -> Findings:
    """The findings where VNI 4097 crosses the wire in clear and its network has these options."""
    net = Network(["A/ens33"])
    for number in range(3):
        request = udp("10.0.1.2:5 > 10.0.1.4:6", b"%d" % number, ident=number + 1, tunnel=(4097, A, B, 50_000))
        net.pass_by(("A/ens33", request))
        answer = udp("10.0.1.4:6 > 10.0.1.2:5", b"%d" % number, ident=number + 50, tunnel=(4097, B, A, 50_001))
        net.pass_by(("A/ens33", answer))
    network = DockerNetwork("vxlanA", "1", "overlay", None, vni=4097, options=options)
    return of_story(net, folder, "encrypted-overlay", two_hosts(network))


def test_network_with_option_in_clear_is_told(tmp_path: Path) -> None:
    (finding,) = in_clear(tmp_path, {"encrypted": ""})
    assert (finding["level"], finding["facts"]["network"], finding["facts"]["vni"]) == ("error", "vxlanA", 4097)
    assert finding["evidence"]


def test_network_without_option_in_clear_is_silent(tmp_path: Path) -> None:
    assert in_clear(tmp_path, {}) == []


def test_esp_of_overlay_is_told() -> None:
    """The network's option is in the topology, from `docker network inspect`."""
    (finding,) = of_capture("pcaps/overlay-encrypted.pcapng", "encrypted-overlay")
    assert (finding["level"], finding["facts"]["hosts"], finding["facts"]["encrypted"]) == ("info", [A, B], True)


@pytest.mark.parametrize("capture", ["tests/made/esp.pcap", "tests/made/esp_nat.pcap"])
def test_esp_without_overlay_is_silent(capture: str) -> None:
    """Any VPN has ESP."""
    assert of_capture(capture, "encrypted-overlay") == []
