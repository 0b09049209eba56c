"""One packet whole here and in pieces there: offload, fragments, tunnels, snap lengths. Stories read as captures."""

from __future__ import annotations

from pathlib import Path

from tests.analyze.simulate import ACK, PSH, Network, ping, tcp, udp
from tests.analyze.told import C1, A, B, changes, lost, path_of, points, read, translations


# -- TCP, cut differently -----------------------------------------------------------------------------
def test_segments_that_are_cut_differently_at_three_points_are_all_there(tmp_path: Path) -> None:
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


def test_segments_that_are_joined_on_the_way_are_all_there(tmp_path: Path) -> None:
    """GRO: pieces on the wire, whole above, and joined at other places than they were cut."""
    net = Network(["B/ens33", "A/ens33", "A/docker0"])
    for number in range(5):
        whole = tcp(f"{B}:80 > {A}:5555", bytes(8688), seq=number * 8688, ack=5, flags=ACK, ident=50 * number)
        inside = whole.routed(dst=C1)
        net.pass_by(("B/ens33", whole.cut(*[1448] * 5)), ("A/ens33", whole.cut(4344)), ("A/docker0", inside))
    path = path_of(read(net, tmp_path), B, A)
    assert points(path) == net.points
    assert lost(path) == [None, 0, 0]


def test_a_lost_piece_of_a_whole_segment_is_a_loss(tmp_path: Path) -> None:
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


def test_a_retransmission_does_not_hide_the_loss_that_caused_it(tmp_path: Path) -> None:
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


def test_reordering_loses_nothing_and_turns_nothing_round(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    for number in range(20):
        segment = tcp(f"{A}:5555 > {B}:80", bytes(1000), seq=number * 1000, ident=number)
        net.at(number * 100, "A/ens33", segment)
        net.at(number * 100 + (350 if number % 5 == 0 else 10), "B/ens33", segment)
    path = path_of(read(net, tmp_path), A, B)
    assert points(path) == ["A/ens33", "B/ens33"]
    assert lost(path) == [None, 0]
    assert path["hops"][1]["delta_us"]["max"] == 350.0


def test_keep_alives_and_repeated_acknowledgments_are_not_confused(tmp_path: Path) -> None:
    """Every probe is the same octets; only the IP identification tells them apart, and IPv6 has none."""
    net = Network(["A/veth1", "A/veth2"])
    for _ in range(8):
        net.pass_by(*((p, tcp("[fd00::2]:5 > [fd00::3]:80", b"\0", seq=99, ack=7)) for p in net.points), gap=5e5)
        answer = tcp("[fd00::3]:80 > [fd00::2]:5", seq=7, ack=100)
        net.pass_by(("A/veth2", answer), ("A/veth1", answer), gap=5e5)
    report = read(net, tmp_path)
    assert report["nat"] == []
    assert points(path_of(report, "fd00::2", "fd00::3")) == ["A/veth1", "A/veth2"]
    assert points(path_of(report, "fd00::3", "fd00::2")) == ["A/veth2", "A/veth1"]
    assert lost(path_of(report, "fd00::2", "fd00::3")) == [None, 0]


# -- fragments ----------------------------------------------------------------------------------------
def test_fragments_that_a_bridge_reassembles_are_one_packet(tmp_path: Path) -> None:
    """br_netfilter: fragments on the veth, whole on docker0, fragments on ens33, all with one identification."""
    net = Network(["A/veth1", "A/docker0", "A/ens33"])
    for number in range(4):
        whole = ping(f"{C1} > {B}", 4242, number, bytes(4000), ident=500 + number, df=False)
        outside = whole.routed(src=A)
        net.pass_by(
            ("A/veth1", whole.fragments(1480)), ("A/docker0", whole), ("A/ens33", outside.fragments(1480)), gap=1e6
        )
    report = read(net, tmp_path)
    path = path_of(report, C1, B)
    assert points(path) == net.points
    assert [hop["packets"] for hop in path["hops"]] == [12, 4, 12]
    assert lost(path) == [None, 0, 0]
    assert changes(path)[1:] == [["reassembled", "bridged"], ["routed", "snat", "fragmented"]]
    assert translations(report) == {("snat", "icmp", (C1, 4242, B), (A, 4242, B))}


def test_a_lost_fragment_is_a_loss(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    for number in range(6):
        pieces = udp(f"{A}:5000 > {B}:7000", bytes([number]) * 3000, ident=number + 1).fragments(1480)
        net.pass_by(("A/ens33", pieces), ("B/ens33", pieces[:2] if number == 3 else pieces), gap=1e5)
    report = read(net, tmp_path)
    path = path_of(report, A, B)
    assert [hop["packets"] for hop in path["hops"]] == [18, 17]
    assert lost(path) == [None, 1]
    assert report["flows"]["count"] == 2  # later fragments have no ports, but they belong to a flow that has
