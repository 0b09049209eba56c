"""lost-on-the-wire: packets leave one host's interface and do not arrive at another host's."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story
from tests.analysis.findings.wires import CARDS, ask, send, two_cards
from tests.stories import SYN, Network, Packet, arp, ping, tcp, udp
from tests.story_reports import A, B


def to_database(packet: Packet) -> bool:
    return packet.dport == 5432


def knock(net: Network, count: int = 4, ends: str = f"{A}:43000 > {B}:5432") -> None:
    for number in range(count):
        send(net, tcp(ends, flags=SYN, seq=7000, ident=7000 + number), to_database, gap=1e6)


def lost(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "lost-on-the-wire")


def test_port_that_the_wire_drops_is_told(tmp_path: Path) -> None:
    net = two_cards()
    for number in range(4):
        ask(net, number)
    knock(net)
    ask(net, 5)
    (finding,) = lost(net, tmp_path)
    assert finding["level"] == "error"
    assert finding["facts"]["services"] == ["tcp port 5432"] and finding["facts"]["packets"] == 4
    assert (finding["facts"]["point"], finding["facts"]["next"]) == tuple(CARDS)
    assert of_story(net, tmp_path, "stops-between") == []


@pytest.mark.parametrize("port", [8472, 9000])
def test_tunnel_that_the_wire_drops_is_told(tmp_path: Path, port: int) -> None:
    """A security group without the port of VXLAN: it drops no other packets between the nodes."""
    net = two_cards()
    for number in range(4):
        ask(net, number)
        send(net, udp(f"{A}:{45000 + number} > {B}:53", b"question", ident=300 + number))
        send(net, udp(f"{B}:53 > {A}:{45000 + number}", b"answer", ident=400 + number))
    for number in range(4):
        inside = udp("10.244.1.2:40000 > 10.244.2.2:53", b"question", ident=number).frame()
        header = struct.pack(">BBHI", 8, 0, 0, 1 << 8) if port == 8472 else b"no tunnel here"
        outer = udp(f"{A}:50000 > {B}:{port}", header + inside, ident=7000 + number)
        send(net, outer, lambda packet: packet.dport == port, gap=1e6)
    ask(net, 5)
    (finding,) = lost(net, tmp_path)
    assert finding["facts"]["services"] == [f"udp port {port}"]
    assert f"look for what filters udp port {port} between the two hosts" in finding["fix"]


def test_port_behind_a_router_is_told(tmp_path: Path) -> None:
    """Who drops may be a router that was not captured: likely, and no more."""
    router = "02:50:56:00:00:01"
    net = Network(list(CARDS))
    for number in range(4):
        there = tcp(f"{A}:{42000 + number} > {B}:80", b"question", seq=10, ident=number, smac=CARD_A, dmac=router)
        back = tcp(f"{B}:80 > {A}:{42000 + number}", b"answer", seq=20, ident=100 + number, smac="02:00:c0:a8:6f:81",
                   dmac=router)  # fmt: skip
        net.pass_by((CARDS[0], there), (CARDS[1], there.routed(smac=router, dmac="02:00:c0:a8:6f:81")))
        net.pass_by((CARDS[1], back), (CARDS[0], back.routed(smac=router, dmac=CARD_A)), gap=1e6)
        syn = tcp(f"{A}:43000 > {B}:80", flags=SYN, seq=7000, ident=7000 + number, smac=CARD_A, dmac=router)
        net.pass_by((CARDS[0], syn), gap=1e6)
    (finding,) = lost(net, tmp_path)
    assert finding["level"] == "warning"
    assert "driver" not in finding["says"] and "FORWARD" in finding["fix"]


@pytest.mark.parametrize("count", [0, 1])
def test_no_repeated_packet_is_silent(tmp_path: Path, count: int) -> None:
    """Of a service that is not reached otherwise, one packet proves nothing."""
    net = two_cards()
    for number in range(4):
        ask(net, number)
    knock(net, count)
    ask(net, 5)
    assert lost(net, tmp_path) == []


def test_loss_inside_of_a_host_is_silent(tmp_path: Path) -> None:
    """The packets arrive at B's interface; behind it is another finding's place."""
    net = two_cards()
    for number in range(4):
        ask(net, number)
    for number in range(4):
        send(net, tcp(f"{A}:43000 > {B}:5432", flags=SYN, seq=7000, ident=7000 + number), gap=1e6)
    assert lost(net, tmp_path) == []


def one_port(net: Network) -> None:
    """A connects to port 80 of B, and in vain to port 5432: B's card shows packets of port 80 alone."""
    for number in range(12):
        request = tcp(f"{A}:{42000 + number} > {B}:80", b"x", seq=10, ident=number, smac=CARD_A, dmac=CARD_B)
        answer = tcp(f"{B}:80 > {A}:{42000 + number}", b"y", seq=20, ident=100 + number, smac=CARD_B, dmac=CARD_A)
        net.pass_by(("A/ens33", request), ("B/ens33", request))
        net.pass_by(("B/ens33", answer), ("A/ens33", answer), gap=1e6)
        if number < 4:
            syn = tcp(f"{A}:43000 > {B}:5432", flags=SYN, seq=7000, ident=7000 + number, smac=CARD_A, dmac=CARD_B)
            net.pass_by(("A/ens33", syn), gap=1e6)


def test_port_beside_the_only_other_one_is_told(tmp_path: Path) -> None:
    """ARP shows that the point was not captured with a filter for the one port."""
    net = Network(["A/ens33", "B/ens33"])
    one_port(net)
    net.at(0, "B/ens33", arp(1, CARD_A, A, B))
    (finding,) = lost(net, tmp_path)
    assert finding["facts"]["services"] == ["tcp port 5432"]


def test_port_that_a_filter_may_hide_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    one_port(net)
    assert lost(net, tmp_path) == []


@pytest.mark.parametrize("kinds", [3, 2])
def test_protocol_that_the_next_point_never_shows_is_told(tmp_path: Path, kinds: int) -> None:
    """ARP, IGMP and TCP are traffic, ARP and TCP may be a capture filter."""
    net = Network(["A/ens33", "B/ens33"])
    one_port(net)
    net.at(0, "B/ens33", arp(1, CARD_A, A, B))
    if kinds == 3:
        net.at(1, "B/ens33", ping(f"{B} > {A}", 9, 9, smac=CARD_B, dmac=CARD_A))
    for number in range(4):
        question = udp(f"{A}:5000 > {B}:53", b"question", ident=8000 + number, smac=CARD_A, dmac=CARD_B)
        net.at(5e6 + number * 1e6, "A/ens33", question)
    (finding,) = lost(net, tmp_path)
    assert finding["facts"]["services"] == ["tcp port 5432", "udp port 53"][: 2 if kinds == 3 else 1]
