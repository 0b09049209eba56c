"""Equal things that are not the same: clashes, repeated payloads, one address twice, one flow in two networks."""

from __future__ import annotations

from pathlib import Path

from tests.analyze.simulate import Network, ping, tcp, udp
from tests.analyze.told import C1, C2, A, B, changes, lost, path_of, points, read, translations


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
