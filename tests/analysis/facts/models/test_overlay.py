"""overlay: what tells an encrypted overlay network from another VPN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.analysis.facts.models.stations import (
    B_MAC,
    HOST,
    HOST_MAC,
    MAC_1,
    MAC_2,
    B,
    Socket,
    docker_mac,
    exchange,
    likely,
)
from tests.stories import Network, Packet
from tests.story_reports import read

CONTAINERS = (docker_mac("10.0.1.2"), docker_mac("10.0.1.4"))


def encrypted(folder: Path, *, has_clear_frames: bool, macs: tuple[str, str] = CONTAINERS) -> dict[str, Any]:
    """The report of ESP between two hosts (if2, if3), perhaps with the same frames in clear at both ends."""
    net = Network(["if0", "if1", "if2", "if3", "if4", "if5"])
    for number in range(3):
        if has_clear_frames:
            client, server = Socket(macs[0], "10.0.1.2", 40000), Socket(macs[1], "10.0.1.4", 80)
            exchange(net, client, server, "if0", "if1", "if4", "if5")
        for src, smac, dst, dmac, spi in ((HOST, HOST_MAC, B, B_MAC, 0x1001), (B, B_MAC, HOST, HOST_MAC, 0x2002)):
            secret = bytes([number + 1, spi & 0xFF]) * 40
            esp = Packet("esp", src, dst, echo=spi, seq=number + 1, payload=secret, ident=number * 2 + (src == B))
            esp = esp.but(smac=smac, dmac=dmac)
            net.pass_by(("if2", esp), ("if3", esp))
    return read(net, folder)


def test_esp_with_clear_frames_at_both_ends_is_an_overlay(tmp_path: Path) -> None:
    report = encrypted(tmp_path, has_clear_frames=True)
    (model,) = report["models"]
    assert (model["model"], model["confidence"]) == ("overlay", 0.75)
    assert {"if2", "if0"} <= {frame["point"] for frame in model["evidence"]}
    (finding,) = [finding for finding in report["findings"] if finding["name"] == "encrypted-overlay"]
    assert (finding["level"], finding["facts"]["hosts"], finding["facts"]["encrypted"]) == ("info", [HOST, B], True)


def test_esp_between_other_networks_is_no_likely_overlay(tmp_path: Path) -> None:
    """Two bridged networks with a VPN between them look the same, but for the MACs of containers."""
    report = encrypted(tmp_path, has_clear_frames=True, macs=(MAC_1, MAC_2))
    assert likely(report) == []
    assert "encrypted-overlay" not in {finding["name"] for finding in report["findings"]}


def test_esp_without_clear_frames_is_no_model(tmp_path: Path) -> None:
    assert encrypted(tmp_path, has_clear_frames=False)["models"] == []
