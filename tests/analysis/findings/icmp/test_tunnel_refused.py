"""tunnel-refused: "port unreachable" or "protocol unreachable" about the packets of a tunnel."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, of_story
from tests.stories import Network, Packet, about, ping, udp
from tests.story_reports import A, B, read

LEFT, RIGHT = "10.0.1.2", "10.0.1.4"


def carried(src: str, dst: str, outer: tuple[str, str], port: int, seq: int) -> Packet:
    """A ping between containers in VXLAN to this port."""
    inner = ping(f"{src} > {dst}", 7, seq, ident=seq, tunnel=(4097, *outer, 50000))
    macs = (CARD_A, CARD_B) if outer[0] == A else (CARD_B, CARD_A)
    return inner.carrier(dport=port, smac=macs[0], dmac=macs[1])


def refuse(net: Network, datagram: Packet) -> None:
    error = ping(f"{datagram.dst} > {datagram.src}", 0, 0, icmp=(3, 3), smac=datagram.dmac, dmac=datagram.smac)
    net.pass_by(("A/ens33", datagram))
    net.pass_by(("A/ens33", about(error, datagram)))


def test_endpoints_with_different_ports_is_told(tmp_path: Path) -> None:
    """A sends to 4789, B to 8472: each refuses the other one's."""
    net = Network(["A/ens33"])
    for seq in range(3):
        refuse(net, carried(LEFT, RIGHT, (A, B), 4789, seq))
        refuse(net, carried(RIGHT, LEFT, (B, A), 8472, 100 + seq))
    (finding,) = of_story(net, tmp_path, "tunnel-refused")
    assert finding["level"] == "error" and finding["facts"]["messages"] == 6 and finding["facts"]["refused_by_both"]
    assert (finding["facts"]["refused_by"], finding["facts"]["port"], finding["facts"]["other_port"]) == (A, 8472, 4789)
    assert f"{B} sends to port 8472, {A} to port 4789" in finding["says"]


def test_endpoint_that_alone_refuses_is_told(tmp_path: Path) -> None:
    """B refuses what A sends to 4789, and its own to 8472 are accepted: its fault, not that of both."""
    net = Network(["A/ens33"])
    for seq in range(3):
        refuse(net, carried(LEFT, RIGHT, (A, B), 4789, seq))
        net.pass_by(("A/ens33", carried(RIGHT, LEFT, (B, A), 8472, 100 + seq)))
    (finding,) = of_story(net, tmp_path, "tunnel-refused")
    assert finding["facts"]["refused_by"] == B and finding["facts"]["messages"] == 3
    assert "refused_by_both" not in finding["facts"] and "it sends its own to port 8472" in finding["says"]


def test_accepted_tunnel_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for seq in range(3):
        net.pass_by(("A/ens33", carried(LEFT, RIGHT, (A, B), 4789, seq)))
        net.pass_by(("A/ens33", carried(RIGHT, LEFT, (B, A), 4789, 100 + seq)))
    assert of_story(net, tmp_path, "tunnel-refused") == []


def test_refused_datagram_without_a_tunnel_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    refuse(net, Packet("udp", A, B, 40000, 4789, payload=b"\0 without the I flag", smac=CARD_A, dmac=CARD_B))
    assert of_story(net, tmp_path, "tunnel-refused") == []


@pytest.mark.parametrize(
    ("port", "payload", "words"),
    [
        (4500, struct.pack(">II", 0xC0FFEE, 1) + bytes(80), "IKE"),
        (
            2152,
            struct.pack(">BBHI", 0x30, 255, 48, 7) + ping(f"{LEFT} > {RIGHT}", 7, 1, b"12345678901234567890").ip(),
            "GTP-U",
        ),
        (51820, bytes([4, 0, 0, 0]) + bytes(92), "wg show"),
    ],
    ids=["ESP in UDP", "GTP-U", "WireGuard"],
)
def test_fix_is_of_the_kind_of_the_tunnel(tmp_path: Path, port: int, payload: bytes, words: str) -> None:
    net = Network(["A/ens33"])
    for number in range(3):
        refuse(net, udp(f"{A}:{port} > {B}:{port}", payload, ident=number, smac=CARD_A, dmac=CARD_B))
    (finding,) = of_story(net, tmp_path, "tunnel-refused")
    assert words in finding["fix"] and "vxlan" not in finding["fix"]


ESP = Packet("esp", A, B, payload=bytes(90), echo=7, smac=CARD_A, dmac=CARD_B)
GRE = ESP.but(proto="gre", payload=ping(f"{LEFT} > {RIGHT}", 7, 1).ip(), echo=0)


@pytest.mark.parametrize("sent", [ESP, GRE], ids=["ESP", "GRE"])
@pytest.mark.parametrize(("code", "error"), [(2, "protocol unreachable"), (3, "port unreachable")])
def test_protocol_without_a_tunnel_is_told(tmp_path: Path, sent: Packet, code: int, error: str) -> None:
    """Kernel 6.18 says code 2 where it has no such tunnel at all; with one for another peer, it says code 3."""
    net = Network(["A/ens33"])
    for number in range(3):
        packet = sent.but(seq=number, ident=number + 1)
        net.pass_by(("A/ens33", packet))
        answer = ping(f"{B} > {A}", 0, 0, icmp=(3, code), smac=CARD_B, dmac=CARD_A)
        net.pass_by(("A/ens33", about(answer, packet)), gap=1e6)
    report = read(net, tmp_path)
    assert [finding["name"] for finding in report["findings"] if finding["level"] != "info"] == ["tunnel-refused"]
    (finding,) = (finding for finding in report["findings"] if finding["name"] == "tunnel-refused")
    assert (finding["level"], finding["facts"]["refused_by"], finding["facts"]["messages"]) == ("error", B, 3)
    assert finding["facts"]["kind"] == sent.proto and f"'{error}', 3 times" in finding["says"]


@pytest.mark.parametrize("error", [(4, 1), (1, 4)], ids=["unknown next header", "port unreachable"])
def test_protocol_over_ipv6_without_a_tunnel_is_told(tmp_path: Path, error: tuple[int, int]) -> None:
    net = Network(["A/ens33"])
    for number in range(3):
        packet = ESP.but(src="fd00::a", dst="fd00::b", seq=number)
        net.pass_by(("A/ens33", packet))
        answer = Packet("icmp", "fd00::b", "fd00::a", icmp=error, smac=CARD_B, dmac=CARD_A)
        net.pass_by(("A/ens33", about(answer, packet)), gap=1e6)
    (finding,) = of_story(net, tmp_path, "tunnel-refused")
    assert (finding["facts"]["refused_by"], finding["facts"]["messages"]) == ("fd00::b", 3)


def test_protocol_that_router_cannot_deliver_is_silent(tmp_path: Path) -> None:
    """Another host says so: the packet never came to the end of the tunnel."""
    net = Network(["A/ens33"])
    for number in range(3):
        packet = ESP.but(seq=number, ident=number + 1)
        net.pass_by(("A/ens33", packet))
        net.pass_by(("A/ens33", about(ping(f"192.168.111.1 > {A}", 0, 0, icmp=(3, 2)), packet)), gap=1e6)
    assert of_story(net, tmp_path, "tunnel-refused") == []
