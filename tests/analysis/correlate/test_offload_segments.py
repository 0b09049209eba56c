"""One TCP segment is whole at one point and in pieces at the next one: segmentation offload and GRO."""

from __future__ import annotations

from pathlib import Path

from tests.stories import ACK, PSH, Network, tcp
from tests.story_reports import C1, A, B, lost, path_of, points, read, translations

L, R = "10.0.1.2", "10.0.1.4"
OVERLAY = ["A/overlay:net/vxlan0", "A/ens33", "B/ens33", "B/overlay:net/vxlan0"]


def test_segments_cut_differently_at_three_points_all_arrive(tmp_path: Path) -> None:
    """Segmentation offload: one segment at the veth, five at A's interface, ten at B's."""
    net = Network(["A/veth1", "A/ens33", "B/ens33"])
    seq = 0xFFFFF000  # the numbers pass 2**32 on the way
    for number in range(6):
        whole = tcp(
            f"{C1}:5555 > {B}:80", bytes(14480), seq=seq, ack=77, flags=ACK | PSH, ident=100 * number, tsval=number
        )
        natted = whole.routed(src=A)
        net.pass_by(
            ("A/veth1", whole), ("A/ens33", natted.cut(2896, 2896, 2896, 2896)), ("B/ens33", natted.cut(*[1448] * 9))
        )
        seq = seq + 14480 & 0xFFFFFFFF
    report = read(net, tmp_path)
    path = path_of(report, C1, B)
    assert points(path) == net.points
    assert [hop["packets"] for hop in path["hops"]] == [6, 30, 60]
    assert lost(path) == [None, 0, 0]
    assert translations(report) == {("snat", "tcp", (C1, 5555, B, 80), (A, 5555, B, 80))}
    assert path["hops"][1]["delta_us"]["median"] == 10.0


def test_segments_joined_on_the_way_all_arrive(tmp_path: Path) -> None:
    """GRO: pieces on the wire, whole above, and joined at other places than they were cut."""
    net = Network(["B/ens33", "A/ens33", "A/docker0"])
    for number in range(5):
        whole = tcp(f"{B}:80 > {A}:5555", bytes(8688), seq=number * 8688, ack=5, flags=ACK, ident=50 * number)
        inside = whole.routed(dst=C1)
        net.pass_by(("B/ens33", whole.cut(*[1448] * 5)), ("A/ens33", whole.cut(4344)), ("A/docker0", inside))
    path = path_of(read(net, tmp_path), B, A)
    assert points(path) == net.points
    assert lost(path) == [None, 0, 0]


def test_lost_piece_of_a_segment_is_a_loss(tmp_path: Path) -> None:
    """One packet of 1448 octets, of the four that a segment was cut into, is lost."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(10):
        whole = tcp(f"{A}:5555 > {B}:80", bytes(5792), seq=number * 5792, flags=ACK, ident=10 * number)
        pieces = whole.cut(1448, 1448, 1448)
        if number == 4:
            del pieces[2]
        net.pass_by(("A/ens33", whole), ("B/ens33", pieces))
    path = path_of(read(net, tmp_path), A, B)
    assert lost(path) == [None, 1]
    assert path["hops"][1]["lost_bytes"] == 1448


def test_retransmission_does_not_hide_the_loss(tmp_path: Path) -> None:
    """The same octets are sent twice and arrive once."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(10):
        segment = tcp(f"{A}:5555 > {B}:80", bytes(1000), seq=number * 1000, ident=number, tsval=number)
        if number == 4:
            net.pass_by(("A/ens33", segment))
            segment = segment.but(ident=99, tsval=40)
        net.pass_by(("A/ens33", segment), ("B/ens33", segment))
    path = path_of(read(net, tmp_path), A, B)
    assert [hop["packets"] for hop in path["hops"]] == [11, 10]
    assert lost(path) == [None, 1]


def test_reordering_keeps_path_and_loses_nothing(tmp_path: Path) -> None:
    """Every fifth segment is overtaken by the three after it."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(20):
        segment = tcp(f"{A}:5555 > {B}:80", bytes(1000), seq=number * 1000, ident=number)
        net.at(number * 100, "A/ens33", segment)
        net.at(number * 100 + (350 if number % 5 == 0 else 10), "B/ens33", segment)
    path = path_of(read(net, tmp_path), A, B)
    assert points(path) == ["A/ens33", "B/ens33"]
    assert lost(path) == [None, 0]
    assert path["hops"][1]["delta_us"]["max"] == 350.0


def test_64_kib_segment_in_vxlan_all_arrives(tmp_path: Path) -> None:
    """GSO leaves cutting to the card, also of what is inside VXLAN; a frame above the MTU is no jumbo network."""
    net = Network(OVERLAY)
    for number in range(3):
        whole = tcp(
            f"{L}:40000 > {R}:80", bytes(62_640), seq=62_640 * number, ack=9, flags=ACK | PSH, ident=50 * number,
            tsval=number,
        )  # fmt: skip
        wrapped = whole.but(tunnel=(4097, A, B, 50_000))
        pieces = [1392] * 44
        net.pass_by(
            (OVERLAY[0], whole),
            (OVERLAY[1], wrapped),
            (OVERLAY[2], wrapped.cut(*pieces)),
            (OVERLAY[3], whole.cut(*pieces)),
        )
    report = read(net, tmp_path)
    path = path_of(report, L, R)
    assert points(path) == OVERLAY
    assert [hop["packets"] for hop in path["hops"]] == [3, 3, 135, 135]
    assert lost(path) == [None, 0, 0, 0]
    assert report["nat"] == []
    findings = {finding["name"]: finding for finding in report["findings"]}
    assert findings["offload-oversize-frames"]["facts"] == {"largest": 62_742, "points": sorted(OVERLAY[:2])}
    assert not {"overlay-mtu-exceeded", "mtu-blackhole", "packet-loss"} & set(findings)
