"""Translations with one side captured: both directions pass one point in tuples that do not mirror each other."""

from __future__ import annotations

from pathlib import Path

from tests.stories import ACK, RST, SYN, Network, tcp, udp
from tests.story_reports import C1, C2, A, B, read, translations


def test_hairpin_on_bridge_is_paired_by_its_reply(tmp_path: Path) -> None:
    """--userland-proxy=false: docker0 shows 172.17.0.1 → web and web → the host, never their mirror images."""
    net = Network(["A/docker0"])
    syn = tcp(f"172.17.0.1:40000 > {C1}:80", seq=1000, flags=SYN, ident=1)
    net.pass_by(("A/docker0", syn))
    net.pass_by(("A/docker0", tcp(f"{C1}:80 > {A}:40000", seq=5000, ack=1001, flags=SYN | ACK)))
    for number in range(3):
        net.pass_by(("A/docker0", syn.but(seq=1001 + number, ack=5001, flags=ACK, ident=2 + number, payload=b"x")))
        net.pass_by(
            ("A/docker0", tcp(f"{C1}:80 > {A}:40000", b"y", seq=5001 + number, ack=1002 + number, ident=number))
        )
    report = read(net, tmp_path)
    assert translations(report) == {("snat", "tcp", (A, 40000, C1, 80), ("172.17.0.1", 40000, C1, 80))}
    (row,) = report["nat"]
    assert (row["method"], row["reply_seen"]) == ("reply-pairing", True)
    assert row["confidence"] < 0.99


def test_embedded_dns_on_loopback_is_dnat(tmp_path: Path) -> None:
    """Docker's name server listens on another port than 53; the answers come from 53."""
    net = Network(["A/web/lo"])
    for number in range(3):
        ident = bytes([0x12, number])
        question = b"\x00\x01" + bytes(6) + b"\x03bbox\x00\x00\x01\x00\x01"
        net.pass_by(
            (
                "A/web/lo",
                udp(f"127.0.0.1:4000{number} > 127.0.0.11:35353", ident + b"\x01\x00" + question, ident=number),
            )
        )
        net.pass_by(
            ("A/web/lo", udp(f"127.0.0.11:53 > 127.0.0.1:4000{number}", ident + b"\x81\x80" + question + bytes(16)))
        )
    report = read(net, tmp_path)
    assert translations(report) == {
        ("dnat", "udp", ("127.0.0.1", 40000 + n, "127.0.0.11", 53), ("127.0.0.1", 40000 + n, "127.0.0.11", 35353))
        for n in range(3)
    }


def test_resets_of_scanned_ports_are_no_nat(tmp_path: Path) -> None:
    """Ports scanned from two sides: RSTs have sequence number 0 and nothing else."""
    net = Network(["A/docker0", "A/ens33"])
    for port in range(10):
        net.pass_by(("A/docker0", tcp(f"{C1}:80 > {C2}:{port + 1}", flags=RST | ACK, ack=port)))
        net.pass_by(("A/ens33", tcp(f"{A}:81 > {B}:{port + 1}", flags=RST | ACK, ack=port + 100)))
    assert read(net, tmp_path)["nat"] == []
