"""duplicate-ip: one address that several MACs claim in ARP."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, arp
from tests.story_reports import B

ADDRESS = "192.168.111.10"
MAC_1, MAC_2 = "06:11:00:00:00:0a", "06:11:00:00:00:0b"


def claims(folder: Path, *macs: str) -> Findings:
    """The findings where these MACs reply for one address, a second apart."""
    net = Network(["A/ens33"])
    for second, mac in enumerate(macs):
        net.at(second * 1e6, "A/ens33", arp(2, mac, ADDRESS, B))
    return of_story(net, folder, "duplicate-ip")


def test_two_macs_claiming_an_address_in_turn_is_told(tmp_path: Path) -> None:
    (finding,) = claims(tmp_path, MAC_1, MAC_2, MAC_1)
    assert (finding["level"], finding["facts"]) == ("error", {"address": ADDRESS, "macs": [MAC_1, MAC_2]})
    assert [frame["frame"] for frame in finding["evidence"]] == [1, 2]


def test_address_that_moved_to_another_mac_is_told(tmp_path: Path) -> None:
    """As when a container is made anew: a warning."""
    (finding,) = claims(tmp_path, MAC_1, MAC_2)
    assert finding["level"] == "warning" and "one after the other" in finding["says"]


def test_address_with_one_mac_is_silent(tmp_path: Path) -> None:
    assert claims(tmp_path, MAC_1, MAC_1) == []


def test_probes_and_equal_bridges_of_two_hosts_is_silent(tmp_path: Path) -> None:
    """A probe claims nothing (RFC 5227), and each host has a docker0 with the same address."""
    net = Network(["A/docker0", "B/docker0"])
    for point, mac in (("A/docker0", MAC_1), ("B/docker0", MAC_2)):
        net.at(net.now, point, arp(2, mac, "172.17.0.1", "172.17.0.2"))
        for prober in (mac, "02:00:c0:a8:6f:81"):
            net.now += 1e6
            net.at(net.now, point, arp(1, prober, "0.0.0.0", ADDRESS))
    assert of_story(net, tmp_path, "duplicate-ip") == []
