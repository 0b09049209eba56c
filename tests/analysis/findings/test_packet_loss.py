"""packet-loss: packets missing at the next point. `correlate/test_loss.py` tests how they are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, named, of_story
from tests.stories import ACK, SYN, Network, Packet, about, tcp, udp
from tests.story_reports import C1, POINTS, A, B, read

ROUTER = "192.168.111.1"


def datagrams(folder: Path, missing: set[int]) -> Findings:
    """The findings about 20 datagrams to B, these of which never reach it."""
    net = Network(POINTS)
    for number in range(20):
        packet = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        outside = packet.routed(src=A)
        hops = [*((point, packet) for point in POINTS[:3]), *((point, outside) for point in POINTS[3:])]
        net.pass_by(*(hops[:4] if number in missing else hops))
    return of_story(net, folder, "packet-loss")


def test_packets_missing_at_next_point_is_told(tmp_path: Path) -> None:
    (finding,) = datagrams(tmp_path, {5, 6, 11})
    facts = finding["facts"]
    assert (finding["level"], facts["after"], facts["before"]) == ("warning", "A/ens33", "B/ens33")
    assert (facts["lost"], facts["packets"], facts["flows"]) == (3, 20, 1)


def test_evidence_is_of_the_lost_packets(tmp_path: Path) -> None:
    """The frames at the point before, which the next one does not have."""
    net = Network(["A/ens33", "B/ens33"], files={"A/ens33": "a.pcapng", "B/ens33": "b.pcapng"})
    for number in range(20):
        packet = udp(f"{A}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        net.pass_by(("A/ens33", packet), *([("B/ens33", packet)] if number not in (5, 6, 11) else []))
    (finding,) = of_story(net, tmp_path, "packet-loss")
    assert [frame["frame"] for frame in finding["evidence"]] == [6, 7, 12]


def test_one_point_loses_nothing_to_itself(tmp_path: Path) -> None:
    """It shows both sides of a router, which may pass on what it likes, or twice."""
    net = Network(["A/ens33"])
    for number in range(20):
        packet = udp(f"{A}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        passed = packet.routed(src="192.168.111.77", sport=6000, smac="02:00:00:00:00:77", dmac="02:00:00:00:00:78")
        net.pass_by(("A/ens33", packet), *([("A/ens33", passed)] if number % 4 else []), gap=1e5)
    assert of_story(net, tmp_path, "packet-loss") == []


def test_packets_that_all_arrive_is_silent(tmp_path: Path) -> None:
    assert datagrams(tmp_path, set()) == []


def test_single_missing_packet_is_an_info_and_is_told(tmp_path: Path) -> None:
    """A tap may miss one, or the kernel while it asks for a MAC."""
    (finding,) = datagrams(tmp_path, {5})
    assert (finding["level"], finding["facts"]["lost"]) == ("info", 1)


@pytest.mark.parametrize(
    ("behind", "lost", "level"),
    [("B/eth0", 2, "info"), ("client", 2, "info"), ("A/veth1", 2, "warning"), ("B/eth0", 6, "warning")],
)
def test_few_packets_among_many_is_told_as_info(tmp_path: Path, behind: str, lost: int, level: str) -> None:
    """TCP makes up for what a long path loses; in one host, and where a connection suffers, packets are not lost so."""
    net = Network(["A/ens33", behind])
    for connection in range(10):
        for number in range(100):
            ends = f"{A}:{5000 + connection} > {B}:80"
            packet = tcp(ends, b"%03d" % number, seq=3 * number, ident=100 * connection + number + 1)
            passes = number not in range(50, 50 + lost // 2) or connection > 1
            net.pass_by(("A/ens33", packet), *([(behind, packet.routed())] if passes else []))
            if not passes:
                net.pass_by(
                    ("A/ens33", packet.but(ident=5000 + number)), (behind, packet.but(ident=5000 + number).routed())
                )
    (finding,) = of_story(net, tmp_path, "packet-loss")
    assert (finding["level"], finding["facts"]["lost"]) == (level, lost)
    assert (finding["fix"] is None, "went this way" in finding["says"]) == (level == "info", level == "info")


def test_few_datagrams_among_many_segments_is_told_as_a_warning(tmp_path: Path) -> None:
    """Nothing makes up for them, however much else goes the same way."""
    net = Network(["A/ens33", "B/eth0"])
    for number in range(1000):
        packet = tcp(f"{A}:5000 > {B}:80", b"%03d" % number, seq=3 * number, ident=number + 1)
        net.pass_by(("A/ens33", packet), ("B/eth0", packet.routed()))
        if number % 200 == 100:
            question = udp(f"{A}:6000 > {B}:53", b"question %d" % number, ident=2000 + number)
            passes = number not in (300, 500)
            net.pass_by(("A/ens33", question), *([("B/eth0", question.routed())] if passes else []))
    (finding,) = of_story(net, tmp_path, "packet-loss")
    assert (finding["level"], finding["facts"]["lost"]) == ("warning", 2)


@pytest.mark.parametrize("refusals", [3, 1])
def test_packets_that_a_router_refuses_is_silent(tmp_path: Path, refusals: int) -> None:
    """The host behind it is down for a while: each lost packet has its ICMP error, which says why; not one of three."""
    net = Network(["R/eth0", "R/eth1"])
    for number in range(12):
        packet = udp(f"{A}:5000 > {B}:7000", b"%d" % number, ident=number + 1)
        is_down = number in (4, 5, 6)
        net.pass_by(("R/eth0", packet), *([] if is_down else [("R/eth1", packet.routed())]), gap=1e6)
        if is_down and number < 4 + refusals:
            net.pass_by(("R/eth0", about(Packet("icmp", ROUTER, A, icmp=(3, 1)), packet)))
    assert len(of_story(net, tmp_path, "packet-loss")) == (refusals == 1)


def test_packets_too_large_for_the_path_is_silent(tmp_path: Path) -> None:
    """A router refuses full segments, and the sender sends their octets in smaller ones (RFC 1191)."""
    report = read(path_mtu_found(heeded=True), tmp_path)
    assert named(report, "packet-loss") == named(report, "retransmissions") == []


def test_packets_too_large_for_good_is_told(tmp_path: Path) -> None:
    """The sender goes on with full segments after the last message of the router."""
    report = read(path_mtu_found(heeded=False), tmp_path)
    assert {finding["level"] for finding in report["findings"]} & {"error", "warning"}


def path_mtu_found(heeded: bool) -> Network:
    """B's segments of 1448 octets meet a link of 1420 behind its router."""
    net, ends = Network(["B/ens33", "R/eth1"]), f"{B}:7000 > 10.9.0.5:80"
    opening = (tcp(ends, seq=0, flags=SYN, ident=1, mss=1460), tcp(ends, seq=1, ack=1, ident=2))
    for packet in opening:
        net.pass_by(("B/ens33", packet), ("R/eth1", packet.routed()))
    for number in range(4):
        large = tcp(ends, bytes([number]) * 1448, seq=1 + 1448 * number, ack=1, ident=10 + number)
        refusal = Packet("icmp", ROUTER, B, icmp=(3, 4), payload=large.ip()[:28], seq=1420)
        net.pass_by(("B/ens33", large))
        net.pass_by(("B/ens33", refusal))
    for number in range(5):
        size = 1368 if heeded else 1448
        again = tcp(ends, bytes([number + 9]) * size, seq=1 + size * number, ack=1, ident=30 + number)
        net.now += 4e5
        net.pass_by(*([("B/ens33", again), ("R/eth1", again.routed())] if heeded else [("B/ens33", again)]))
        if not heeded:
            net.pass_by(("B/ens33", Packet("icmp", ROUTER, B, icmp=(3, 4), payload=again.ip()[:28], seq=1420)))
    return net


@pytest.mark.parametrize("loses", ["syns", "fragments", "both"])
def test_kind_of_the_lost_packets_is_told(tmp_path: Path, loses: str) -> None:
    """A limit on new connections; a rule by port, which later fragments have not."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(4):
        first = tcp(f"{A}:{40000 + number} > {B}:80", flags=SYN, seq=5, ident=10 * number + 1)
        hops: list[tuple[str, Packet | list[Packet]]] = [("A/ens33", first)]
        net.pass_by(*(hops if loses != "fragments" else [*hops, ("B/ens33", first)]), gap=1e6)
        for again in range(3):
            segment = first.but(ident=10 * number + 2 + again, flags=SYN if again == 0 else ACK, seq=5 + (again > 0))
            net.pass_by(("A/ens33", segment), ("B/ens33", segment), gap=1e5)
        pieces = udp(f"{A}:5000 > {B}:7000", bytes([number]) * 2000, ident=500 + number).fragments(1480)
        net.pass_by(("A/ens33", pieces), ("B/ens33", pieces if loses == "syns" else pieces[:1]), gap=1e5)
    last = udp(f"{A}:5000 > {B}:7000", b"last", ident=900)
    net.pass_by(("A/ens33", last), ("B/ens33", last))  # both points listen to the end
    (finding,) = of_story(net, tmp_path, "packet-loss")
    assert finding["facts"].get("kind") == (None if loses == "both" else loses)
    assert ("all of them are" in finding["says"]) == (loses != "both")
