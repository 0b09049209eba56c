"""mirrored-traffic: ERSPAN of three types, and GRE that is none."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import of_capture, of_story
from tests.stories import Network, Packet, udp
from tests.story_reports import A, B


def test_erspan_of_each_type_is_told() -> None:
    """Type I has no session; scapy wrote the sessions of the others into the capture."""
    findings = of_capture("tests/made/erspan.pcap", "mirrored-traffic")
    assert {finding["facts"]["session"] for finding in findings} == {None, 100, 101, 102}
    assert {finding["level"] for finding in findings} == {"info"}
    assert "ERSPAN" in findings[0]["says"]


def test_mirror_is_no_tunnel_that_lacks_a_direction(tmp_path: Path) -> None:
    """Multicast that a switch mirrors: nothing of it is ever answered."""
    net = Network(["analyzer/eth0"])
    for number in range(4):
        hello = udp("10.200.101.2:1985 > 224.0.0.2:1985", b"hello", ident=number, dmac="01:00:5e:00:00:02").frame()
        head = bytes.fromhex("100088be") + number.to_bytes(4, "big") + bytes.fromhex("1000000100000000")
        carrier = bytearray(Packet("gre", A, B, payload=head[4:] + hello, ident=number + 1).frame())
        carrier[34:38] = head[:4]
        net.at(1000 * number, "analyzer/eth0", bytes(carrier))
    assert [finding["facts"]["session"] for finding in of_story(net, tmp_path, "mirrored-traffic")] == [1]
    assert of_story(net, tmp_path, "tunnel-one-way") == []


def test_other_gre_is_silent() -> None:
    assert of_capture("tests/made/gre.pcap", "mirrored-traffic") == []
