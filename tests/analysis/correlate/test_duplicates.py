"""Packets that one point recorded twice are counted once."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.stories import SYN, Network, about, ping, tcp, udp
from tests.story_reports import C1, C2, A, B, changes, findings_named, lost, path_of, points, read, translations

BRIDGE = "172.17.0.1"


def test_any_capture_counts_each_packet_once(tmp_path: Path) -> None:
    """A capture at `any` shows a packet at the veth, at the bridge and at the outer interface."""
    net = Network(["any"])
    for number in range(5):
        packet = tcp(f"{C1}:5555 > {B}:7000", b"x", seq=number, ident=number + 1)
        out = packet.routed(src=A)
        for copy in (packet, packet, out):
            net.now += 5
            net.at(net.now, "any", copy)
        net.now += 1e5
    report = read(net, tmp_path)
    assert translations(report) == {("snat", "tcp", (C1, 5555, B, 7000), (A, 5555, B, 7000))}
    (row,) = report["nat"]
    assert row["packets"] == 5
    assert [hop["packets"] for hop in path_of(report, C1, B)["hops"]] == [5, 5]
    (finding,) = findings_named(report, "duplicate-observation")
    assert finding["facts"]["packets"] == 5


def test_cooked_any_capture_counts_each_packet_once(tmp_path: Path) -> None:
    """Linux cooked capture has a sender's MAC at best: the same packet at the veth, the bridge and the card."""
    net = Network(["any"], cooked={"any"})
    for number in range(5):
        packet = tcp(f"{C1}:5555 > {B}:7000", b"x", seq=number, ident=number + 1, smac="02:42:ac:11:00:02")
        answer = tcp(f"{B}:7000 > {A}:5555", b"y", seq=number, ack=number + 1, ident=number + 900)
        inside = answer.routed(dst=C1)
        for copy in (packet, packet, packet.routed(src=A), answer, inside, inside):
            net.now += 5
            net.at(net.now, "any", copy)
        net.now += 1e5
    report = read(net, tmp_path)
    assert report["points"][0]["linktype"] == "LINUX_SLL2"
    assert translations(report) == {("snat", "tcp", (C1, 5555, B, 7000), (A, 5555, B, 7000))}
    assert [row["packets"] for row in report["nat"]] == [5]
    (finding,) = findings_named(report, "duplicate-observation")
    assert finding["facts"]["packets"] == 10
    assert not {"packet-loss", "retransmissions"} & {finding["name"] for finding in report["findings"]}


def test_cooked_any_capture_counts_unanswered_packets_once(tmp_path: Path) -> None:
    """A SYN and a question to DNS, each sent four times, at the veth, the bridge and the card."""
    net = Network(["any"], cooked={"any"})
    question = struct.pack(">6H", 4242, 0x100, 1, 0, 0, 0) + b"\3web\4test\0" + struct.pack(">2H", 1, 1)
    for number, second in enumerate((0, 1, 3, 7)):
        syn = tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=1, ident=number + 1)
        query = udp(f"{C1}:5353 > {B}:53", question, ident=number + 100)
        for copy, packet in enumerate((syn, syn, syn, query, query, query)):
            net.at(second * 1e6 + 5 * copy, "any", packet)
    report = read(net, tmp_path)
    (syns,), (questions,) = (findings_named(report, name) for name in ("connection-unanswered", "dns-failure"))
    assert (syns["facts"]["attempts"], questions["facts"]["questions"]) == (4, 4)
    assert {(row["proto"], row["packets"], row["repeats"]) for row in report["fates"]} == {("tcp", 4, 3), ("udp", 4, 3)}


def test_cooked_any_capture_counts_icmp_errors_once(tmp_path: Path) -> None:
    """Three connections that the bridge's host rejects: each error at the bridge, at the veth, and once more."""
    net = Network(["any"], cooked={"any"})
    for number in range(3):
        syn = tcp(f"{C1}:{5555 + number} > {B}:7000", flags=SYN, seq=1, ident=number + 1)
        error = about(ping(f"{BRIDGE} > {C1}", 0, 0, icmp=(3, 13), ident=number + 50), syn)
        for copy, packet in enumerate((syn, syn, error, error, error)):
            net.at(number * 1e6 + 5 * copy, "any", packet)
    (finding,) = findings_named(read(net, tmp_path), "firewall-rejected")
    assert finding["facts"]["messages"] == 3


def test_duplicate_routed_by_bridge_host_is_left_out(tmp_path: Path) -> None:
    """Capturing at docker0 makes it promiscuous: the host routes the copy, with docker0's MAC and one TTL less."""
    net = Network(["A/veth1", "A/docker0", "A/veth2"])
    bridge, src, dst = "02:42:00:00:00:01", "02:42:ac:11:00:02", "02:42:ac:11:00:03"
    for number in range(4):
        packet = tcp(f"{C1}:5555 > {C2}:80", b"x", seq=number, ident=number + 1, smac=src, dmac=dst)
        copy = packet.routed(smac=bridge)
        net.pass_by(("A/veth1", packet), ("A/docker0", packet), ("A/veth2", packet))
        net.at(net.now - 975, "A/docker0", copy)
        net.at(net.now - 965, "A/veth2", copy)
    report = read(net, tmp_path)
    path = path_of(report, C1, C2)
    assert points(path) == net.points
    assert changes(path)[1:] == [["bridged"], ["bridged"]]
    assert [hop["packets"] for hop in path["hops"]] == [4, 4, 4]
    assert lost(path) == [None, 0, 0]
    assert report["nat"] == []
    assert {"A/docker0", "A/veth2"} == {
        finding["facts"]["point"] for finding in findings_named(report, "duplicate-observation")
    }
