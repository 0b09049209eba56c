"""What is missing at a later point and was not lost. Truth: the stories."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.stories import ACK, SYN, Network, Packet, ping, tcp, udp
from tests.story_reports import A, B, read

SECOND = 1_000_000.0


def losing(net: Network, folder: Path) -> set[str]:
    """Sources of the flows that are told to lose packets."""
    return {row["flow"]["src"] for row in read(net, folder)["fates"] if row["fate"] == "loses"}


@pytest.mark.parametrize("is_answered", [True, False])
def test_answered_echo_requests_were_not_lost(is_answered: bool, tmp_path: Path) -> None:
    """A bridge floods the first ones to a port, and has then learnt where the receiver is."""
    net = Network(["if1", "if2"])
    for number in range(8):
        request = ping(f"{A} > {B}", 77, number, ident=number + 1)
        net.pass_by(*((point, request) for point in (net.points if number not in (4, 5) else net.points[:1])))
        if is_answered or number not in (4, 5):
            net.pass_by(("if1", ping(f"{B} > {A}", 77, number, icmp=(0, 0), ident=number + 50)))
        net.now += SECOND
    assert losing(net, tmp_path) == (set() if is_answered else {A})


@pytest.mark.parametrize("returning", [2, 6], ids=["a few return", "most return"])
def test_carriers_that_return_in_a_tunnel_lost_nothing(returning: int, tmp_path: Path) -> None:
    """A host wraps a few datagrams of a tunnel again and sends them back, as by a route of its own."""
    net = Network(["eth3"])
    for number in range(8):
        carrier = udp(f"{A}:5000 > {B}:4500", bytes(100) + b"%d" % number, ident=number + 1)
        net.pass_by(("eth3", carrier))
        if number < returning:
            net.pass_by(("eth3", carrier.routed(tunnel=(200, B, A, 6000))))
        net.now += SECOND
    assert losing(net, tmp_path) == (set() if returning == 2 else {A})


@pytest.mark.parametrize("ttl", [1, 64])
def test_packets_whose_ttl_ends_at_the_router_were_not_lost(ttl: int, tmp_path: Path) -> None:
    """As of traceroute: a router forwards no packet that arrives with TTL 1 (RFC 1812 section 5.3.1)."""
    net = Network(["R/eth0", "R/eth1"])
    for number in range(9):
        ends = number % 3 == 0
        packet = udp(f"{A}:5000 > {B}:7000", b"%d" % number, ident=number + 1, ttl=ttl if ends else 64)
        net.pass_by(("R/eth0", packet), *([] if ends else [("R/eth1", packet.routed())]))
    assert losing(net, tmp_path) == (set() if ttl == 1 else {A})


@pytest.mark.parametrize("other", [4, None], ids=["by another interface", "by none"])
def test_packets_that_any_shows_elsewhere_were_not_lost(other: int | None, tmp_path: Path) -> None:
    """A route spreads the packets of one connection over two interfaces; `any` shows no destination MAC."""
    net = Network(["any"], cooked={"any"})
    for number in range(8):
        segment = tcp(f"{A}:5000 > {B}:80", seq=1, ack=1 + number, ident=number + 1)
        exit_interface = other if number in (1, 4, 6) else 3
        net.at(net.now, "any", at_interface(segment, 2, 0))
        if exit_interface:
            net.at(net.now + 3, "any", at_interface(segment.routed(), exit_interface, 4))
        net.now += 1000
    assert losing(net, tmp_path) == (set() if other else {A})


@pytest.mark.parametrize("lone", [(), (3,), (3, 9)], ids=["none", "one", "two"])
def test_capture_at_any_that_drops_tells_no_loss(lone: tuple[int, ...], tmp_path: Path) -> None:
    """What leaves by one interface and came in by none was dropped by the socket that hears both."""
    net = Network(["any"], cooked={"any"})
    for number in range(12):
        packet = udp(f"{A}:5000 > {B}:7000", b"%d" % number, ident=number + 1)
        if number not in lone:
            net.at(net.now, "any", at_interface(packet, 2, 0))
        if number not in (2, 5, 6):
            net.at(net.now + 10, "any", at_interface(packet.routed(), 3, 4))
        net.now += 1000
    assert losing(net, tmp_path) == (set() if lone else {A})


@pytest.mark.parametrize("third", [True, False], ids=["dropped at another interface", "recorded at all others"])
def test_capture_at_any_that_drops_anywhere_tells_no_loss(third: bool, tmp_path: Path) -> None:
    """Measured (tcpdump dropped 42 of 423): one buffer is full for all interfaces, not for one of them.

    What interface 4 shows has passed interface 3. Whether what leaves by 5 got there is open: the socket did drop.
    """
    net = Network(["any"], cooked={"any"})
    for number in range(12):
        for port, ways in ((7000, (2, 3, 4)), (8000, (2, 5))):
            packet = udp(f"{A}:5000 > {B}:{port}", b"%d" % number, ident=port + number)
            is_missing = {(7000, 3): third and number == 6, (8000, 5): number in (2, 4)}
            for hop, index in enumerate(ways):
                if not is_missing.get((port, index)):
                    form = packet.routed() if hop else packet
                    net.at(net.now + 5 * hop, "any", at_interface(form, index, 4 * (hop > 0)))
            net.now += 1000
    assert losing(net, tmp_path) == (set() if third else {A})


@pytest.mark.parametrize("octets", [b"question", b""], ids=["octets pass", "no octets"])
def test_pure_acks_missing_within_any_were_not_lost(octets: bytes, tmp_path: Path) -> None:
    """Measured: of nine connections of a pod, `any` showed all octets at its veth, and not all ACKs."""
    net = Network(["any"], cooked={"any"})
    for number in range(9):
        payload = octets if number == 3 else b""
        seq = 1 + len(octets) * (number > 3)
        segment = tcp(f"{A}:5000 > {B}:80", payload, seq=seq, ack=1 + number, ident=number + 1)
        net.at(net.now, "any", at_interface(segment, 2, 0))
        if number not in (1, 5):
            net.at(net.now + 3, "any", at_interface(segment.routed(), 3, 4))
        net.now += 1000
    assert losing(net, tmp_path) == (set() if octets else {A})


@pytest.mark.parametrize("is_behind", [True, False])
def test_echo_requests_answered_at_a_later_hop_were_not_lost(is_behind: bool, tmp_path: Path) -> None:
    """The first point lacks a reply, and the second one a request; but the second one has all replies."""
    net = Network(["R/eth0", "R/eth1"])
    for number in range(4):
        request = ping(f"{A} > {B}", 77, number, ident=number + 1)
        reply = ping(f"{B} > {A}", 77, number, icmp=(0, 0), ident=number + 50)
        net.pass_by(("R/eth0", request), *([("R/eth1", request.routed())] if number != 2 else []))
        back = [("R/eth1", reply)] if number != 2 or is_behind else []
        net.pass_by(*back, *([("R/eth0", reply.routed())] if number != 2 else []))
        net.now += SECOND
    assert losing(net, tmp_path) <= {B} if is_behind else A in losing(net, tmp_path)


def at_interface(packet: Packet, index: int, way: int) -> bytes:
    """A frame of `any` with this index of the interface; `way`: 0 received, 4 sent."""
    cooked = packet.cooked(way)
    return cooked[:4] + struct.pack(">I", index) + cooked[8:]


def test_connection_that_is_answered_elsewhere_lost_nothing(tmp_path: Path) -> None:
    """A bridge floods the SYN to a port that the rest of the connection does not pass; the answers come there."""
    net = Network(["R/eth0", "R/eth1"])
    for number in range(4):
        segment = tcp(f"{A}:5000 > {B}:80", b"%d" % number * (number > 0), seq=number, ident=number + 1,
                      flags=ACK if number else SYN, ack=bool(number))  # fmt: skip
        net.pass_by(("R/eth0", segment), *([] if number else [("R/eth1", segment.routed())]))
        net.pass_by(
            ("R/eth1", tcp(f"{B}:80 > {A}:5000", seq=number, ack=number + 1, flags=ACK if number else SYN | ACK))
        )
    assert losing(net, tmp_path) == set()
