"""overlay-mtu-exceeded: VXLAN in fragments, and ICMP errors about it."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import Findings, of_capture, of_story
from tests.stories import Network, about, ping, udp
from tests.story_reports import A, B

LEFT, RIGHT = "10.0.1.2", "10.0.1.4"


def overlay(folder: Path, *, refused: bool) -> Findings:
    """The findings about VNI 4097 between A and B; `refused`: the kernel answers a large packet inside."""
    net = Network(["A/ens33"])
    for number in range(2):
        packet = udp(f"{LEFT}:5 > {RIGHT}:6", bytes(1400), ident=number + 1, tunnel=(4097, A, B, 50_000))
        net.pass_by(("A/ens33", packet))
        answer = udp(f"{RIGHT}:6 > {LEFT}:5", b"x", ident=number + 50, tunnel=(4097, B, A, 50_001))
        net.pass_by(("A/ens33", answer))
    if refused:
        error = ping(f"{RIGHT} > {LEFT}", 0, 0, icmp=(3, 4), ident=90, tunnel=(4097, B, A, 50_001))
        net.pass_by(("A/ens33", about(error, udp(f"{LEFT}:5 > {RIGHT}:6", bytes(1400)))))
    return of_story(net, folder, "overlay-mtu-exceeded")


def test_fragments_of_vxlan_is_told() -> None:
    (finding,) = of_capture("tests/made/vxlan_fragments.pcap", "overlay-mtu-exceeded")
    assert finding["level"] == "warning" and "fragments" in finding["says"] and finding["evidence"]


def test_fragmentation_needed_inside_tunnel_is_told(tmp_path: Path) -> None:
    (finding,) = overlay(tmp_path, refused=True)
    assert finding["facts"]["vni"] == 4097 and RIGHT in finding["facts"]["reason"]
    assert [frame["frame"] for frame in finding["evidence"]] == [5]


def test_overlay_whose_packets_fit_is_silent(tmp_path: Path) -> None:
    assert overlay(tmp_path, refused=False) == []


def test_offload_segment_in_vxlan_is_silent() -> None:
    assert of_capture("tests/made/vxlan_offload.pcap", "overlay-mtu-exceeded") == []


def test_small_packets_in_fragments_are_silent(tmp_path: Path) -> None:
    """A tool cut the datagrams: of the first part the size inside is not known, or it fits any link."""
    net = Network(["A/ens33"])
    for number in range(2):
        packet = udp(f"{LEFT}:5 > {RIGHT}:6", bytes(40), ident=number + 1, tunnel=(4097, A, B, 50_000))
        for size in (24, 96):
            for part in packet.carrier().but(ident=number * 7 + size).fragments(size):
                net.pass_by(("A/ens33", part))
    assert of_story(net, tmp_path, "overlay-mtu-exceeded") == []
