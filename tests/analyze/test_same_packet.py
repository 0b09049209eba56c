"""The same packet where real captures defeat the naive way: each story is written as frames and read as a capture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capnet.analyze.engine import analyze
from capnet.report.document import document
from tests.analyze.simulate import ACK, FIN, PSH, RST, SYN, Network, Packet, about, ping, tcp, udp

C1, C2, B, A = "172.17.0.2", "172.17.0.3", "192.168.111.129", "192.168.111.128"
POINTS = ["A/web/eth0", "A/veth1", "A/docker0", "A/ens33", "B/ens33"]


def read(net: Network, folder: Path, **more: Any) -> dict[str, Any]:
    return document(analyze(net.write(folder), **more))


def path_of(report: dict[str, Any], src: str, dst: str, proto: str = "") -> dict[str, Any]:
    found = [
        path
        for path in report["paths"]
        if (path["flow"]["src"], path["flow"]["dst"]) == (src, dst) and proto in path["proto"]
    ]
    assert len(found) == 1, [(path["proto"], path["flow"], [hop["point"] for hop in path["hops"]]) for path in found]
    return found[0]


def points(path: dict[str, Any]) -> list[str]:
    return [hop["point"] for hop in path["hops"]]


def changes(path: dict[str, Any]) -> list[list[str]]:
    return [hop["change"] for hop in path["hops"]]


def lost(path: dict[str, Any]) -> list[int | None]:
    return [hop["lost"] for hop in path["hops"]]


def translations(report: dict[str, Any]) -> set[tuple[Any, ...]]:
    return {
        (
            row["kind"], row["proto"],
            *((s["src"], s["sport"], s["dst"], s["dport"]) if row["proto"] != "icmp" else (s["src"], s["id"], s["dst"])
              for s in (row["before"], row["after"])),
        )
        for row in report["nat"]
    }  # fmt: skip


def outward(net: Network, packet: Packet, port: int | None = None, **more: Any) -> None:
    """From a container through masquerade to B."""
    outside = packet.routed(src=A, sport=packet.sport if port is None else port, echo=packet.echo)
    net.pass_by(*((point, packet) for point in POINTS[:3]), *((point, outside) for point in POINTS[3:]), **more)


def inward(net: Network, packet: Packet, to: str, **more: Any) -> None:
    """The answer of B, through the inverse translation."""
    inside = packet.routed(ends=f"{packet.src}:{packet.sport} > {to}")
    net.pass_by(("B/ens33", packet), ("A/ens33", packet), *((point, inside) for point in POINTS[2::-1]), **more)


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


# -- equal things that are not the same ------------------------------------------------------------------
def test_port_clash_either_container_may_be_rewritten(tmp_path: Path) -> None:
    net = Network(["A/docker0", "A/ens33"])
    for src, port, first in ((C1, 61234, 1000), (C2, 5555, 2000)):
        for number in range(3):
            segment = tcp(f"{src}:5555 > {B}:7000", b"x" * 9, seq=first + 9 * number, ident=first + number)
            net.pass_by(("A/docker0", segment), ("A/ens33", segment.routed(src=A, sport=port)))
            answer = tcp(f"{B}:7000 > {A}:{port}", b"y", seq=number, ack=first + 9 * number, ident=7 + first + number)
            net.pass_by(("A/ens33", answer), ("A/docker0", answer.routed(ends=f"{B}:7000 > {src}:5555")))
    report = read(net, tmp_path)
    assert translations(report) == {
        ("snat", "tcp", (C1, 5555, B, 7000), (A, 61234, B, 7000)),
        ("snat", "tcp", (C2, 5555, B, 7000), (A, 5555, B, 7000)),
    }
    clash = [finding for finding in report["findings"] if finding["name"] == "source-port-collision"]
    assert len(clash) == 1 and clash[0]["facts"]["rewritten"] == 1


def test_echo_identifier_clash(tmp_path: Path) -> None:
    net = Network(["A/docker0", "A/ens33"])
    for number in range(4):
        for src, ident in ((C1, 4242), (C2, 51554)):
            request = ping(f"{src} > {B}", 4242, number, ident=number + (100 if src == C1 else 200))
            net.pass_by(("A/docker0", request), ("A/ens33", request.routed(src=A, echo=ident)))
            answer = ping(f"{B} > {A}", ident, number, ident=number + 300 + (src == C2) * 50, icmp=(0, 0))
            net.pass_by(("A/ens33", answer), ("A/docker0", answer.routed(dst=src, echo=4242)))
    report = read(net, tmp_path)
    assert translations(report) == {
        ("snat", "icmp", (C1, 4242, B), (A, 4242, B)),
        ("snat", "icmp", (C2, 4242, B), (A, 51554, B)),
    }
    assert all(row["reply_seen"] and row["packets"] == 4 for row in report["nat"])


def test_equal_payloads_in_two_flows_stay_two_flows(tmp_path: Path) -> None:
    """Same octets, same length, no identification: nothing but order tells them apart, and less is claimed."""
    net = Network(["A/docker0", "A/ens33"])
    for _ in range(6):
        for src, port, mac in ((C1, 5000, "02:42:ac:11:00:02"), (C2, 61000, "02:42:ac:11:00:03")):
            query = udp(f"{src}:5000 > {B}:7000", b"status?", smac=mac)
            net.pass_by(("A/docker0", query), ("A/ens33", query.routed(src=A, sport=port, smac="aa:00:00:00:00:0a")))
    report = read(net, tmp_path)
    assert translations(report) == {
        ("snat", "udp", (C1, 5000, B, 7000), (A, 5000, B, 7000)),
        ("snat", "udp", (C2, 5000, B, 7000), (A, 61000, B, 7000)),
    }
    assert max(row["confidence"] for row in report["nat"]) < 0.8


def test_dns_retries_are_packets_of_their_own(tmp_path: Path) -> None:
    """The same query again after a second, the first one lost on the way."""
    net = Network(["A/docker0", "A/ens33"])
    query = b"\x12\x34\x01\x00\x00\x01" + bytes(6) + b"\x03web\x00\x00\x01\x00\x01"
    for number in range(4):
        packet = udp(f"{C1}:40000 > 8.8.8.8:53", query, ident=900 + number)
        hops = [("A/docker0", packet), ("A/ens33", packet.routed(src=A))]
        net.pass_by(*(hops[:1] if number == 1 else hops), gap=1e6)
    report = read(net, tmp_path)
    path = path_of(report, C1, "8.8.8.8")
    assert [hop["packets"] for hop in path["hops"]] == [4, 3]
    assert lost(path) == [None, 1]
    assert path["hops"][1]["delta_us"]["max"] == 10.0
    assert not [finding for finding in report["findings"] if finding["name"] == "duplicate-observation"]


def test_the_same_inner_flow_in_two_vnis(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    for number in range(4):
        for vni in (4097, 4098):
            inner = tcp(
                "10.0.1.2:40000 > 10.0.1.4:80", b"same", seq=4 * number, ident=number, tunnel=(vni, A, B, 50000)
            )
            net.pass_by(*((point, inner) for point in net.points))
    report = read(net, tmp_path)
    found = [path for path in report["paths"] if path["flow"]["src"] == "10.0.1.2"]
    assert sorted([hop["tunnel"]["vni"] for hop in path["hops"]] for path in found) == [[4097, 4097], [4098, 4098]]
    assert all(hop["packets"] == 4 for path in found for hop in path["hops"])


def test_both_hosts_own_the_same_container_address(tmp_path: Path) -> None:
    """172.17.0.2 on A talks to B's address, 172.17.0.2 on B to A's, at the same time, with the same ports."""
    net = Network(["A/docker0", "A/ens33", "B/ens33", "B/docker0"])
    for number in range(4):
        for host, first, here, there in (("A", 10, A, B), ("B", 20, B, A)):
            segment = tcp(f"{C1}:5555 > {there}:7000", b"hello", seq=first + 5 * number, ident=1000 * first + number)
            out = segment.routed(src=here)
            other = "B" if host == "A" else "A"
            net.pass_by((f"{host}/docker0", segment), (f"{host}/ens33", out), (f"{other}/ens33", out))
    report = read(net, tmp_path)
    assert {(row["before"]["point"], row["after"]["src"]) for row in report["nat"]} == {
        ("A/docker0", A),
        ("B/docker0", B),
    }
    assert sorted(points(path) for path in report["paths"]) == [
        ["A/docker0", "A/ens33", "B/ens33"],
        ["B/docker0", "B/ens33", "A/ens33"],
    ]


# -- ICMP errors --------------------------------------------------------------------------------------------
def test_an_icmp_error_about_a_translated_packet_follows_it_back(tmp_path: Path) -> None:
    net = Network(["A/docker0", "A/ens33"])
    for src, port in ((C1, 5000), (C2, 6000)):
        query = udp(f"{src}:{port} > {B}:9", b"nobody there", ident=port)
        outside = query.routed(src=A)
        net.pass_by(("A/docker0", query), ("A/ens33", outside))
        error = about(Packet("icmp", B, A, icmp=(3, 3), ident=port + 1), outside)
        net.pass_by(("A/ens33", error), ("A/docker0", about(error.routed(dst=src), query)))
    report = read(net, tmp_path)
    for src in (C1, C2):
        back = [p for p in report["paths"] if p["proto"] == "icmp" and p["hops"][-1]["dst"] == src]
        assert [points(path) for path in back] == [["A/ens33", "A/docker0"]]
        assert changes(back[0])[1] == ["dnat", "routed"]
    assert {row["proto"] for row in report["nat"]} == {"udp"}  # conntrack has no entry for an error


# -- loss, time ------------------------------------------------------------------------------------------------
def test_loss_at_a_known_hop_is_a_finding(tmp_path: Path) -> None:
    net = Network(POINTS)
    for number in range(20):
        packet = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        outside = packet.routed(src=A)
        hops = [*((p, packet) for p in POINTS[:3]), *((p, outside) for p in POINTS[3:])]
        net.pass_by(*(hops[:4] if number in (5, 6, 11) else hops))
    report = read(net, tmp_path)
    path = path_of(report, C1, B)
    assert lost(path) == [None, 0, 0, 0, 3]
    (finding,) = [each for each in report["findings"] if each["name"] == "packet-loss"]
    assert (finding["facts"]["after"], finding["facts"]["before"]) == ("A/ens33", "B/ens33")
    assert (finding["facts"]["lost"], finding["facts"]["packets"]) == (3, 20)


def test_absence_outside_the_time_of_a_point_is_said_to_be_that(tmp_path: Path) -> None:
    net = Network(["A/docker0", "A/ens33"])
    for number in range(10):
        packet = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        hops = [("A/docker0", packet), ("A/ens33", packet.routed(src=A))]
        net.pass_by(*(hops[:1] if number < 4 else hops))
    report = read(net, tmp_path)
    hop = path_of(report, C1, B)["hops"][1]
    assert (hop["lost"], hop["outside"]) == (0, 4)
    assert not [each for each in report["findings"] if each["name"] == "packet-loss"]


def conversation(net: Network, seconds: int = 60) -> None:
    """Requests of a container to B and B's answers, one pair a second, through A's masquerade."""
    for number in range(seconds):
        net.now = number * 1e6
        request = tcp(f"{C1}:5555 > {B}:7000", b"ask", seq=3 * number, ack=5 * number, ident=number + 1)
        outward(net, request)
        answer = tcp(f"{B}:7000 > {A}:5555", b"reply", seq=5 * number, ack=3 * number + 3, ident=number + 5000)
        inward(net, answer, f"{C1}:5555")


def test_two_clocks_half_a_second_apart_that_drift(tmp_path: Path) -> None:
    """0.42 s, and 2 ms more after a minute: the offset comes from both directions, the delays from after correction."""
    net = Network(POINTS, clocks={"B/ens33": (420_000.0, 2000.0 / 60)})
    conversation(net)
    report = read(net, tmp_path)
    there, back = path_of(report, C1, B), path_of(report, B, A)
    assert points(there) == POINTS and points(back) == POINTS[::-1]
    for path in (there, back):
        delays = [hop["delta_us"] for hop in path["hops"][1:]]
        assert all(abs(delay["median"] - 10) < 2 and delay["min"] > 5 for delay in delays), delays
    (finding,) = [each for each in report["findings"] if each["name"] == "clock-skew"]
    facts = finding["facts"]
    assert (facts["clock"], facts["reference"]) == ("B", "A")
    assert abs(facts["ahead_us"] - 420_000) < 100 and abs(facts["drift_us_per_s"] - 2000 / 60) < 0.5
    assert facts["pairs"] > 60


@pytest.mark.parametrize("ahead", [-420_000.0, 420_000.0, 1_500.0])
def test_two_files_of_unknown_origin_on_both_sides_of_a_nat(tmp_path: Path, ahead: float) -> None:
    net = Network(["A/docker0", "A/ens33"], files={"A/docker0": "inside.pcapng", "A/ens33": "outside.pcapng"})
    net.clocks = {"outside.pcapng": (ahead, -1000 / 60)}
    for number in range(60):
        net.now = number * 1e6
        request = tcp(f"{C1}:5555 > {B}:7000", b"ask", seq=3 * number, ack=5 * number, ident=number + 1)
        net.pass_by(("A/docker0", request), ("A/ens33", request.routed(src=A)))
        answer = tcp(f"{B}:7000 > {A}:5555", b"reply", seq=5 * number, ack=3 * number + 3, ident=number + 5000)
        net.pass_by(("A/ens33", answer), ("A/docker0", answer.routed(dst=C1)))
    report = read(net, tmp_path)
    assert translations(report) == {("snat", "tcp", (C1, 5555, B, 7000), (A, 5555, B, 7000))}
    (finding,) = [each for each in report["findings"] if each["name"] == "clock-skew"]
    assert abs(finding["facts"]["ahead_us"] - ahead) < 30
    assert all(5 < hop["delta_us"]["median"] < 15 for path in report["paths"] for hop in path["hops"][1:])


def test_between_clocks_that_only_one_direction_compares_there_is_no_delay(tmp_path: Path) -> None:
    net = Network(POINTS, clocks={"B/ens33": (-420_000.0, 0.0)})
    for number in range(20):
        outward(net, udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1))
    report = read(net, tmp_path)
    path = path_of(report, C1, B)
    assert points(path) == POINTS
    assert path["hops"][-1]["delta_us"] is None
    assert path["hops"][-2]["delta_us"]["median"] == 10.0


def test_clocks_that_agree_are_left_alone(tmp_path: Path) -> None:
    net = Network(POINTS)
    conversation(net, 10)
    report = read(net, tmp_path)
    assert not [each for each in report["findings"] if each["name"] == "clock-skew"]
    assert path_of(report, C1, B)["hops"][-1]["delta_us"]["max"] == 10.0


# -- inside one point --------------------------------------------------------------------------------------------
def test_an_any_capture_holds_every_hop_and_counts_each_packet_once(tmp_path: Path) -> None:
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
    (finding,) = [each for each in report["findings"] if each["name"] == "duplicate-observation"]
    assert finding["facts"]["packets"] == 5


def test_vlan_tags_come_and_go(tmp_path: Path) -> None:
    net = Network(["A/ens33.10", "A/ens33", "B/ens33.10"])
    for number in range(3):
        packet = udp("192.168.10.2:5000 > 192.168.10.3:7000", b"%d" % number, ident=number + 1)
        net.pass_by(("A/ens33.10", packet), ("A/ens33", packet.but(vlan=10)), ("B/ens33.10", packet))
    path = path_of(read(net, tmp_path), "192.168.10.2", "192.168.10.3")
    assert changes(path)[1:] == [["vlan-tagged"], ["vlan-untagged", "wire"]]


# -- translations that only part of a point's traffic shows --------------------------------------------------------
def test_hairpin_half_translated_on_the_bridge(tmp_path: Path) -> None:
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


def test_a_hairpin_between_two_containers_is_one_translation(tmp_path: Path) -> None:
    """Client's veth, the bridge half-way, web's veth: DNAT, then masquerade, one entry of conntrack."""
    net = Network(["A/veth2", "A/docker0", "A/veth1"])
    for number in range(3):
        first = tcp(f"{C2}:40000 > {A}:8080", b"x", seq=number, ident=1 + number)
        half = first.but(ends=f"{C2}:40000 > {C1}:80")
        last = half.routed(src="172.17.0.1")
        net.pass_by(("A/veth2", first), ("A/docker0", half), ("A/veth1", last))
    report = read(net, tmp_path)
    assert translations(report) == {("snat+dnat", "tcp", (C2, 40000, A, 8080), ("172.17.0.1", 40000, C1, 80))}


def test_embedded_dns_is_translated_inside_the_container(tmp_path: Path) -> None:
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


def test_ipvs_from_the_virtual_address_to_the_task(tmp_path: Path) -> None:
    """The client sees the VIP; the load balancer's namespace rewrites both ends; the TTL steps 64, 63."""
    net = Network(["A/client/eth0", "A/overlay:web/vxlan0", "A/ens33", "B/ens33", "B/task/eth0"])
    for number in range(4):
        asked = tcp("10.0.1.7:41000 > 10.0.1.3:80", b"x", seq=number, ident=number + 1)
        sent = asked.routed(ends="10.0.1.4:41000 > 10.0.1.9:80")
        inside = sent.but(tunnel=(4097, A, B, 50001))
        net.pass_by(
            ("A/client/eth0", asked),
            ("A/overlay:web/vxlan0", sent), ("A/ens33", inside), ("B/ens33", inside), ("B/task/eth0", sent),
        )  # fmt: skip
    report = read(net, tmp_path)
    assert translations(report) == {
        ("snat+dnat", "tcp", ("10.0.1.7", 41000, "10.0.1.3", 80), ("10.0.1.4", 41000, "10.0.1.9", 80))
    }
    path = path_of(report, "10.0.1.7", "10.0.1.3")
    assert points(path) == net.points
    assert [hop["ttl"] for hop in path["hops"]] == [64, 63, 63, 63, 63]


# -- what is not NAT ---------------------------------------------------------------------------------------------
def test_docker_proxy_is_two_connections(tmp_path: Path) -> None:
    net = Network(["A/ens33", "A/docker0"])

    def side(point: str, client: str, server: str, first: int, port_ident: int) -> None:
        net.pass_by((point, tcp(f"{client} > {server}", seq=first, flags=SYN, ident=port_ident)))
        net.pass_by((point, tcp(f"{server} > {client}", seq=9 * first, ack=first + 1, flags=SYN | ACK)))
        net.pass_by((point, tcp(f"{client} > {server}", seq=first + 1, ack=9 * first + 1, ident=port_ident + 1)))

    def data(point: str, client: str, server: str, first: int, port_ident: int) -> None:
        ask = tcp(f"{client} > {server}", b"GET /", seq=first + 1, ack=9 * first + 1, ident=port_ident + 2)
        net.pass_by((point, ask))

    def rest(point: str, client: str, server: str, first: int, port_ident: int) -> None:
        net.pass_by(
            (point, tcp(f"{server} > {client}", b"hello!!", seq=9 * first + 1, ack=first + 6, ident=port_ident))
        )
        net.pass_by(
            (point, tcp(f"{server} > {client}", flags=FIN | ACK, seq=9 * first + 8, ack=first + 6, ident=port_ident))
        )

    client = ("A/ens33", f"{B}:51514", f"{A}:8080", 1000, 10)
    server = ("A/docker0", "172.17.0.1:38000", f"{C1}:80", 77777, 5000)
    for step in (side, data):
        step(*client)
        step(*server)
    rest(*server)
    rest(*client)
    report = read(net, tmp_path)
    assert report["nat"] == []
    (proxy,) = report["proxies"]
    assert (proxy["client_side"]["dport"], proxy["server_side"]["dport"]) == (8080, 80)
    there, back = path_of(report, B, A), path_of(report, C1, "172.17.0.1")
    assert (points(there), points(back)) == (["A/ens33", "A/docker0"], ["A/docker0", "A/ens33"])
    assert changes(there)[1] == changes(back)[1] == ["proxied"]
    names = {finding["name"] for finding in report["findings"]}
    assert {"proxied-not-rewritten", "client-ip-lost"} <= names


def test_resets_and_handshakes_of_strangers_are_never_nat(tmp_path: Path) -> None:
    """Ports scanned from two sides: RSTs have sequence number 0 and nothing else."""
    net = Network(["A/docker0", "A/ens33"])
    for port in range(10):
        net.pass_by(("A/docker0", tcp(f"{C1}:80 > {C2}:{port + 1}", flags=RST | ACK, ack=port)))
        net.pass_by(("A/ens33", tcp(f"{A}:81 > {B}:{port + 1}", flags=RST | ACK, ack=port + 100)))
    assert read(net, tmp_path)["nat"] == []
