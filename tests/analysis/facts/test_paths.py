"""Paths: the hops of a flow, what changes between them, and what is lost. Truth: each story says its hops."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import ACK, SYN, Network, Packet, ping, tcp, udp
from tests.story_reports import C1, POINTS, A, B, changes, inward, lost, outward, path_of, points, read

OVERLAY = ["A/web/eth0", "A/overlay:vxlanA/vxlan0", "A/ens33", "B/ens33", "B/overlay:vxlanA/vxlan0", "B/box/eth0"]


def in_tunnel(packet: Packet, point: str, vni: int) -> Packet:
    """The packet as a point of an overlay network shows it: in VXLAN between the hosts."""
    return packet.but(tunnel=(vni, A, B, 50_001)) if point.endswith("ens33") else packet


def lose(net: Network, packet: Packet) -> None:
    """A packet that leaves A and does not reach B."""
    outside = packet.routed(src=A)
    net.pass_by(*((point, packet) for point in POINTS[:3]), ("A/ens33", outside))


def test_masqueraded_path_tells_each_change(tmp_path: Path) -> None:
    net = Network(POINTS)
    for number in range(4):
        flags = SYN if number == 0 else ACK
        outward(net, tcp(f"{C1}:5555 > {B}:7000", flags=flags, seq=number, ident=number + 1))
        reply = tcp(f"{B}:7000 > {A}:5555", flags=flags | ACK, seq=900 + number, ack=number + 1, ident=number + 50)
        inward(net, reply, f"{C1}:5555")
    report = read(net, tmp_path)
    forward, backward = path_of(report, C1, B), path_of(report, B, A)
    assert points(forward) == POINTS
    assert changes(forward) == [[], ["bridged"], ["bridged"], ["routed", "snat"], ["wire"]]
    assert points(backward) == POINTS[::-1]
    assert changes(backward) == [[], ["wire"], ["dnat", "routed"], ["bridged"], ["bridged"]]
    assert (forward["ends"], backward["ends"]) == ("delivered", "delivered")
    assert (forward["reply"], backward["reply"]) == (False, True)
    assert lost(forward) == [None, 0, 0, 0, 0]


def test_overlay_path_is_encapsulated_and_no_nat(tmp_path: Path) -> None:
    net = Network(OVERLAY)
    for number in range(3):
        packet = tcp("10.0.1.2:40000 > 10.0.1.4:80", b"x", seq=number, ident=number + 1)
        net.pass_by(*((point, in_tunnel(packet, point, 4097)) for point in OVERLAY))
    report = read(net, tmp_path)
    assert report["nat"] == []
    path = path_of(report, "10.0.1.2", "10.0.1.4")
    assert points(path) == OVERLAY
    assert changes(path)[1:] == [["bridged"], ["encapsulated"], ["wire"], ["decapsulated"], ["bridged"]]
    assert [hop["tunnel"] and hop["tunnel"]["vni"] for hop in path["hops"]] == [None, None, 4097, 4097, None, None]


def test_equal_flows_of_two_vnis_have_two_paths(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    for _ in range(3):
        for vni in (4097, 4098):
            packet = udp("10.0.1.2:5 > 10.0.1.4:6", b"equal")
            net.pass_by(*((point, in_tunnel(packet, point, vni)) for point in net.points))
    paths = [path for path in read(net, tmp_path)["paths"] if path["flow"]["src"] == "10.0.1.2"]
    vnis = sorted([hop["tunnel"]["vni"] for hop in path["hops"]] for path in paths)
    assert vnis == [[4097, 4097], [4098, 4098]]


def test_lost_packets_are_told_at_their_hop(tmp_path: Path) -> None:
    net = Network(POINTS)
    for number in range(10):
        packet = udp(f"{C1}:5000 > {B}:7000", b"%02d" % number, ident=number + 1)
        (lose if number in (2, 3, 4, 5, 6) else outward)(net, packet)
    path = path_of(read(net, tmp_path), C1, B)
    assert lost(path) == [None, 0, 0, 0, 5]
    assert path["ends"] == "lost-after A/ens33"


def test_packets_before_a_point_listened_are_not_lost(tmp_path: Path) -> None:
    net = Network(POINTS)
    for number in range(10):
        packet = udp(f"{C1}:5000 > {B}:7000", b"%02d" % number, ident=number + 1)
        (lose if number < 5 else outward)(net, packet)
    assert lost(path_of(read(net, tmp_path), C1, B)) == [None, 0, 0, 0, 0]


def test_clocks_that_disagree_keep_a_path_in_order(tmp_path: Path) -> None:
    """The clock of the second file is 420 ms behind: by time stamps alone, B would come first."""
    other = {"A/ens33": "other.pcapng", "B/ens33": "other.pcapng"}
    net = Network(POINTS, files=other, clocks={"other.pcapng": (-420_000, 0.0)})
    for number in range(3):
        outward(net, tcp(f"{C1}:5555 > {B}:7000", seq=number, ident=number + 1, payload=b"x"))
    assert points(path_of(read(net, tmp_path), C1, B)) == POINTS


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("stops_at", [0, 2, 3])
def test_echo_reply_that_never_arrives_is_not_delivered(tmp_path: Path, named: bool, stops_at: int) -> None:
    """The reply goes back as far as a point: 0 is the asker's own, before 2 NAT translates it back."""
    points = POINTS if named else ["p0", "p1", "p2", "p3", "p4"]
    net = Network(points)
    for number in range(3):
        ask = ping(f"{C1} > {B}", 7, number, ident=number + 1)
        outside = ask.routed(src=A)
        net.pass_by(*((point, ask if at < 3 else outside) for at, point in enumerate(points)))
        reply = ping(f"{B} > {A}", 7, number, ident=number + 50, icmp=(0, 0))
        inside = reply.routed(dst=C1)
        net.pass_by(*((points[at], inside if at < 3 else reply) for at in range(4, stops_at - 1, -1)), gap=1e6)
    report = read(net, tmp_path)
    assert path_of(report, C1, B)["hops"][-1]["point"] == points[-1]
    assert (path_of(report, B, A)["ends"] == "delivered") == (stops_at == 0)
