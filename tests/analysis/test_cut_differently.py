"""One packet whole here and in pieces there: offload, fragments, tunnels, snap lengths. Stories read as captures."""

from __future__ import annotations

from pathlib import Path

from tests.stories import ACK, PSH, Network, Packet, about, ping, tcp, udp
from tests.story_reports import C1, A, B, changes, lost, path_of, points, read, translations


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


# -- inside tunnels -----------------------------------------------------------------------------------
L, R = "10.0.1.2", "10.0.1.4"
OVERLAY = ["A/overlay:net/vxlan0", "A/ens33", "B/ens33", "B/overlay:net/vxlan0"]


def test_64_kib_in_one_outer_datagram_is_cut_further_down(tmp_path: Path) -> None:
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
    found = {each["name"]: each for each in report["findings"]}
    assert found["offload-oversize-frames"]["facts"] == {"largest": 62_742, "points": sorted(OVERLAY[:2])}
    assert not {"overlay-mtu-exceeded", "mtu-blackhole", "packet-loss"} & set(found)


def test_an_underlay_that_fragments_the_carrier_hides_nothing(tmp_path: Path) -> None:
    """Outer DF is 0: the second outer fragment has neither a UDP nor a VXLAN header."""
    net = Network(OVERLAY)
    for number in range(4):
        inner = tcp(f"{L}:40000 > {R}:80", bytes(1448), seq=1448 * number, ident=number + 1, tsval=number)
        wrapped = inner.but(tunnel=(4097, A, B, 50_000))
        fragments = wrapped.carrier().fragments(1480)
        assert len(fragments) == 2
        net.pass_by((OVERLAY[0], inner), (OVERLAY[1], fragments), (OVERLAY[2], fragments), (OVERLAY[3], inner))
    report = read(net, tmp_path)
    path = path_of(report, L, R)
    assert points(path) == OVERLAY
    assert lost(path) == [None, 0, 0, 0]
    (finding,) = [each for each in report["findings"] if each["name"] == "overlay-mtu-exceeded"]
    assert "fragments" in finding["says"]
    assert [hop["packets"] for hop in path["hops"]] == [4, 4, 4, 4]


def test_an_underlay_that_drops_the_carrier_is_a_black_hole_one_way(tmp_path: Path) -> None:
    """Large packets leave and do not arrive, in silence; the other way, the kernel speaks for the remote container."""
    net = Network(OVERLAY)
    for number in range(12):
        size = 1448 if number % 3 == 2 else 100
        inner = tcp(f"{L}:40000 > {R}:80", bytes(size), seq=1448 * number, ident=number + 1)
        wrapped = inner.but(tunnel=(4097, A, B, 50_000))
        hops = [(OVERLAY[0], inner), (OVERLAY[1], wrapped), (OVERLAY[2], wrapped), (OVERLAY[3], inner)]
        net.pass_by(*(hops[:2] if size == 1448 else hops))
    large = tcp(f"{R}:80 > {L}:40000", bytes(1448), seq=5, ident=99)
    net.pass_by((OVERLAY[3], large))
    net.pass_by((OVERLAY[3], about(Packet("icmp", L, R, icmp=(3, 4), ident=7), large)))
    net.pass_by(
        ("A/ens33", udp(f"{A}:9 > {B}:9", b"last", ident=1)), ("B/ens33", udp(f"{A}:9 > {B}:9", b"last", ident=1))
    )
    report = read(net, tmp_path)
    path = path_of(report, L, R, "tcp")
    assert points(path) == OVERLAY
    assert lost(path) == [None, 0, 4, 0]
    found = {each["name"]: each for each in report["findings"]}
    assert (found["mtu-blackhole"]["facts"]["from"], found["mtu-blackhole"]["facts"]["to"]) == ("A/ens33", "B/ens33")
    assert (found["mtu-blackhole"]["facts"]["passes"], found["mtu-blackhole"]["facts"]["fails"]) == (190, 1538)


# -- what is captured is not what was sent ----------------------------------------------------------------
def mixed(net: Network) -> None:
    """TCP in large segments, UDP and ping through masquerade; TCP in VXLAN; one datagram is lost on the wire."""
    for number in range(5):
        packets = [
            tcp(f"{C1}:5555 > {B}:80", bytes(8000), seq=8000 * number, ack=1, ident=number + 1, tsval=number),
            udp(f"{C1}:5000 > {B}:7000", b"%04d" % number + bytes(900), ident=number + 100),
            ping(f"{C1} > {B}", 4242, number, bytes(1000), ident=number + 200),
        ]
        for each in packets:
            outside = each.routed(src=A)
            gone = each.proto == "udp" and number == 2
            net.pass_by(("A/docker0", each), ("A/ens33", outside), *([] if gone else [("B/ens33", outside)]))
        inner = tcp(f"{L}:40000 > {R}:80", bytes(30_000), seq=30_000 * number, ack=1, ident=number + 1)
        net.pass_by(*((p, inner.but(tunnel=(4097, A, B, 50_000))) for p in ("A/ens33", "B/ens33")))


def test_lengths_and_losses_are_the_wires_where_frames_were_cut(tmp_path: Path) -> None:
    names = ["A/docker0", "A/ens33", "B/ens33"]
    reports = []
    for snaplens in ({}, dict.fromkeys(names, 128), {"A/docker0": 128, "B/ens33": 300}):
        net = Network(names, snaplens=snaplens)
        mixed(net)
        reports.append(read(net, tmp_path))
    whole, *cut = reports
    assert {path["hops"][-1]["bytes"] for path in whole["paths"]} >= {5 * 8066, 4 * 946, 5 * 1042}
    for each in cut:
        for section in ("nat", "paths", "flows", "tunnels"):
            assert each[section] == whole[section], section
        assert [f["facts"] for f in each["findings"] if f["name"] == "packet-loss"] == [
            f["facts"] for f in whole["findings"] if f["name"] == "packet-loss"
        ]


def test_what_was_cut_too_short_to_be_told_apart_is_not_followed_and_nothing_is_claimed(tmp_path: Path) -> None:
    """At 50 octets a datagram is only its headers; TCP's tell enough."""
    names = ["A/docker0", "A/ens33", "B/ens33"]
    net = Network(names, snaplens=dict.fromkeys(names, 54))
    mixed(net)
    report = read(net, tmp_path)
    assert {row["proto"] for row in report["nat"]} == {"tcp"}
    assert [path["proto"] for path in report["paths"]] == ["tcp"]
    assert not [each for each in report["findings"] if each["name"] in ("packet-loss", "duplicate-observation")]


def test_checksums_that_nobody_has_filled_in_are_not_damage_and_tell_no_packets_apart(tmp_path: Path) -> None:
    """On virtual links they hold anything; on the wire they are right; VXLAN's outer one is not zero either."""
    net = Network(["A/docker0", "A/ens33", "B/ens33"])
    for number in range(4):
        inside = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1, checksum=0x1111)
        outside = inside.routed(src=A, checksum=0x2222)
        net.pass_by(("A/docker0", inside), ("A/ens33", outside), ("B/ens33", outside.but(checksum=0x3333)))
        inner = tcp(f"{L}:40000 > {R}:80", bytes(9), seq=9 * number, ident=number + 1, checksum=0x4444)
        carrier = inner.but(tunnel=(4097, A, B, 50_000)).carrier(checksum=0x5555)
        net.pass_by(("A/ens33", carrier), ("B/ens33", carrier.but(checksum=0x6666)))
    report = read(net, tmp_path)
    assert translations(report) == {("snat", "udp", (C1, 5000, B, 7000), (A, 5000, B, 7000))}
    assert points(path_of(report, C1, B)) == ["A/docker0", "A/ens33", "B/ens33"]
    assert points(path_of(report, L, R)) == ["A/ens33", "B/ens33"]
    assert {each["name"] for each in report["findings"] if each["level"] != "info"} == {"tunnel-one-way"}  # it is
    assert report["coverage"]["undecoded"] == {}
