"""Translations with one side captured: both directions pass one point in tuples that do not mirror each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.stories import ACK, RST, SYN, Network, Packet, tcp, udp
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


CLIENT_MAC, SERVER_MAC, INSIDE, OUTSIDE = (f"00:1b:17:00:00:0{last}" for last in range(1, 5))
PUBLIC, SERVICE = "203.0.113.9", "198.51.100.7"


def half(request: Packet, answer: Packet, folder: Path) -> set[tuple[Any, ...]]:
    """Translations of a firewall that records one form of each direction."""
    net = Network(["fw"])
    net.pass_by(("fw", request.but(seq=1000, flags=SYN, ident=1)))
    net.pass_by(("fw", answer.but(seq=5000, ack=1001, flags=SYN | ACK, ident=2)))
    for number in range(2):
        net.pass_by(("fw", request.but(seq=1001 + number, ack=5001, flags=ACK, ident=3 + number, payload=b"x")))
        net.pass_by(("fw", answer.but(seq=5001 + number, ack=1002 + number, ident=5 + number, payload=b"y")))
    return translations(read(net, folder))


SNAT = {("snat", "tcp", (C1, 40000, SERVICE, 443), (PUBLIC, 50000, SERVICE, 443))}
DNAT = {("dnat", "tcp", (B, 40000, PUBLIC, 443), (B, 40000, C1, 443))}


@pytest.mark.parametrize(
    ("request_ends", "answer_ends", "expected"),
    [
        (f"{C1}:40000 > {SERVICE}:443", f"{SERVICE}:443 > {PUBLIC}:50000", SNAT),
        (f"{PUBLIC}:50000 > {SERVICE}:443", f"{SERVICE}:443 > {C1}:40000", SNAT),
        (f"{B}:40000 > {PUBLIC}:443", f"{C1}:443 > {B}:40000", DNAT),
        (f"{B}:40000 > {C1}:443", f"{PUBLIC}:443 > {B}:40000", DNAT),
        (f"{C1}:40000 > {SERVICE}:443", f"{SERVICE}:443 > {B}:50000", set()),
        (f"{PUBLIC}:50000 > {C2}:443", f"{C2}:443 > {C1}:40000", set()),
    ],
    ids=["enters", "leaves", "published, enters", "published, leaves", "both private", "client or balancer"],
)
def test_private_address_is_hidden_behind_a_public_one(
    tmp_path: Path, request_ends: str, answer_ends: str, expected: set[tuple[Any, ...]]
) -> None:
    """The MACs are those of the firewall's interfaces and of its neighbours, all different."""
    request = tcp(request_ends, smac=CLIENT_MAC, dmac=INSIDE)
    assert half(request, tcp(answer_ends, smac=SERVER_MAC, dmac=OUTSIDE), tmp_path) == expected


@pytest.mark.parametrize("enters", [True, False])
def test_one_mac_shows_what_enters_and_what_leaves(tmp_path: Path, enters: bool) -> None:
    """All addresses are private. What is sent to the translator is not translated yet; what it sends is."""
    macs = (
        ({"smac": CLIENT_MAC, "dmac": INSIDE}, {"smac": SERVER_MAC, "dmac": INSIDE})
        if enters
        else ({"smac": INSIDE, "dmac": SERVER_MAC}, {"smac": INSIDE, "dmac": CLIENT_MAC})
    )
    first, second = (C1, B) if enters else (B, C1)
    request = tcp(f"{first}:40000 > {C2}:443", **macs[0])
    answer = tcp(f"{C2}:443 > {second}:40000", **macs[1])
    assert half(request, answer, tmp_path) == {("snat", "tcp", (C1, 40000, C2, 443), (B, 40000, C2, 443))}
