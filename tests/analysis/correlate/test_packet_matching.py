"""Which observations are one packet: clashes, repeats, one address twice, one flow in two networks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import Network, arp, ping, tcp, udp
from tests.story_reports import C1, C2, A, B, changes, lost, path_of, points, read, translations

L, R = "10.0.1.2", "10.0.1.4"


def test_port_clash_keeps_flows_apart(tmp_path: Path) -> None:
    """Two containers use one source port; masquerade may rewrite either of them."""
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


def test_echo_id_clash_keeps_flows_apart(tmp_path: Path) -> None:
    """Two containers ping with one identifier; masquerade rewrites that of the second."""
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


def test_equal_payloads_of_two_flows_lower_confidence(tmp_path: Path) -> None:
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


def test_equal_datagrams_of_two_hosts_are_no_nat(tmp_path: Path) -> None:
    """Equal payloads without IP identification are equal packets: to two servers, from two clients, routed or not."""
    net = Network(["A/ens33", "B/ens33"])
    for _ in range(3):
        for server in ("8.8.8.8", "8.8.4.4"):  # the same query to both
            query = udp(f"{A}:4000 > {server}:53", b"who is web?")
            net.pass_by(("A/ens33", query), ("B/ens33", query))
        for client, ttl in (("192.168.111.20", 64), ("192.168.7.20", 63)):  # one of them behind a router
            beat = udp(f"{client}:8125 > {B}:8125", b"alive:1|c", ttl=ttl)
            net.pass_by(("A/ens33", beat), ("B/ens33", beat))
            net.pass_by(("B/ens33", udp(f"{client}:514 > {B}:514", b"only here", ttl=ttl)), gap=3e5)
    report = read(net, tmp_path)
    assert report["nat"] == []
    assert [points(path) for path in report["paths"]] == [["A/ens33", "B/ens33"]] * 4


@pytest.mark.parametrize("gone", range(5))
def test_lost_repeat_keeps_the_path(tmp_path: Path, gone: int) -> None:
    """A beacon without IP identification, once a second: what did not arrive is not taken for the one that did."""
    net = Network(["A/veth1", "A/docker0", "A/ens33", "B/ens33"])
    for number in range(5):
        beat = udp(f"{C1}:5000 > {B}:7000", b"alive")
        outside = beat.routed(src=A)
        hops = [("A/veth1", beat), ("A/docker0", beat), ("A/ens33", outside), ("B/ens33", outside)]
        net.pass_by(*(hops[: 1 + gone % 3] if number == gone else hops), gap=1e6)
    for point in net.points:
        for moment in (-1000, net.now + 1000):
            net.at(moment, point, udp("10.9.9.9:9 > 10.9.9.8:9", point.encode(), ident=7))
    report = read(net, tmp_path)
    path = path_of(report, C1, B)
    assert points(path) == net.points
    assert lost(path) == [None, *(int(at == gone % 3) for at in range(3))]
    assert translations(report) == {("snat", "udp", (C1, 5000, B, 7000), (A, 5000, B, 7000))}
    assert path["hops"][1]["delta_us"]["max"] == 10.0


def test_dns_retry_is_a_packet_of_its_own(tmp_path: Path) -> None:
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


def test_equal_flows_in_two_vnis_stay_two_paths(tmp_path: Path) -> None:
    """Two overlays carry the same connection to the octet; only the VNI differs."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(4):
        for vni in (4097, 4098):
            inner = tcp(
                "10.0.1.2:40000 > 10.0.1.4:80", b"same", seq=4 * number, ident=number, tunnel=(vni, A, B, 50000)
            )
            net.pass_by(*((point, inner) for point in net.points))
    report = read(net, tmp_path)
    paths = [path for path in report["paths"] if path["flow"]["src"] == "10.0.1.2"]
    assert sorted([hop["tunnel"]["vni"] for hop in path["hops"]] for path in paths) == [[4097, 4097], [4098, 4098]]
    assert all(hop["packets"] == 4 for path in paths for hop in path["hops"])


@pytest.mark.parametrize("macs", [("02:42:ac:11:00:02",) * 2, ("9e:31:00:00:00:0a", "5a:77:00:00:00:0b")])
def test_address_on_both_hosts_gives_two_paths(tmp_path: Path, macs: tuple[str, str]) -> None:
    """172.17.0.2 on A talks to B's address, 172.17.0.2 on B to A's, at the same time, with the same ports.

    Older Docker makes the MAC of the address, so that both have one; newer Docker takes a random one.
    """
    net = Network(["A/docker0", "A/ens33", "B/ens33", "B/docker0"])
    for number in range(4):
        for host, first, own, peer in (("A", 10, A, B), ("B", 20, B, A)):
            segment = tcp(
                f"{C1}:5555 > {peer}:7000", b"hello", seq=first + 5 * number, ident=1000 * first + number,
                smac=macs[host == "B"],
            )  # fmt: skip
            out = segment.routed(src=own, smac=f"02:00:c0:a8:6f:{'80' if host == 'A' else '81'}")
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


def test_vlan_tag_added_and_removed_is_a_change(tmp_path: Path) -> None:
    """A trunk adds the tag, the far host's VLAN device removes it."""
    net = Network(["A/ens33.10", "A/ens33", "B/ens33.10"])
    for number in range(3):
        packet = udp("192.168.10.2:5000 > 192.168.10.3:7000", b"%d" % number, ident=number + 1)
        net.pass_by(("A/ens33.10", packet), ("A/ens33", packet.but(vlan=10)), ("B/ens33.10", packet))
    path = path_of(read(net, tmp_path), "192.168.10.2", "192.168.10.3")
    assert changes(path)[1:] == [["vlan-tagged"], ["vlan-untagged", "wire"]]


@pytest.mark.parametrize("equal", [False, True], ids=["other numbers", "to the octet"])
def test_unknown_vni_is_not_matched_with_known_vni(tmp_path: Path, equal: bool) -> None:
    """Two VNIs carry the same connection; B knows one of them, and drops the other without a word."""
    net = Network(["A/ens33", "B/ens33", "B/overlay:net/vxlan0"])
    for number in range(6):
        inner = tcp("10.0.1.2:40000 > 10.0.1.4:80", b"known", seq=5 * number, ident=number + 1)
        wrapped = inner.but(tunnel=(4097, A, B, 50_000))
        net.pass_by(("A/ens33", wrapped), ("B/ens33", wrapped), ("B/overlay:net/vxlan0", inner))
        stranger = inner.but(tunnel=(9999, A, B, 50_000))
        if not equal:
            stranger = stranger.but(payload=b"other", seq=7000 + 5 * number, ident=500 + number)
        net.pass_by(("A/ens33", stranger), ("B/ens33", stranger))
    report = read(net, tmp_path)
    paths = {path["hops"][0]["tunnel"]["vni"]: path for path in report["paths"] if path["flow"]["src"] == "10.0.1.2"}
    assert points(paths[4097]) == ["A/ens33", "B/ens33", "B/overlay:net/vxlan0"]
    assert points(paths[9999]) == ["A/ens33", "B/ens33"]
    assert (lost(paths[4097]), lost(paths[9999])) == ([None, 0, 0], [None, 0])
    assert paths[9999]["ends"] == "unknown"  # no packet tells that nothing came out of it
    assert report["nat"] == []


def test_outer_source_port_does_not_split_flows(tmp_path: Path) -> None:
    """A hash of the inner flow: another one each way for TCP, the same both ways, and shared, for ping."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(4):
        for ends, port in (("10.0.1.2:40000 > 10.0.1.4:80", 33_001), ("10.0.1.4:80 > 10.0.1.2:40000", 44_002)):
            src, dst = (A, B) if port == 33_001 else (B, A)
            packet = tcp(ends, b"x", seq=number, ack=1, ident=number + port, tunnel=(4097, src, dst, port))
            way = net.points if src == A else net.points[::-1]
            net.pass_by(*((point, packet) for point in way))
        for client in ("10.0.1.2", "10.0.1.3"):
            ask = ping(f"{client} > 10.0.1.4", 7, number, ident=number + 50, tunnel=(4097, A, B, 55_003))
            answer = ping(
                f"10.0.1.4 > {client}", 7, number, ident=number + 60, icmp=(0, 0), tunnel=(4097, B, A, 55_003)
            )
            net.pass_by(*((point, ask) for point in net.points))
            net.pass_by(*((point, answer) for point in net.points[::-1]))
    report = read(net, tmp_path)
    inside = [path for path in report["paths"] if path["flow"]["src"].startswith("10.")]
    assert len(inside) == 6
    assert all(hop["packets"] == 4 for path in inside for hop in path["hops"])
    assert {(row["vni"], row["source_ports"], row["one_way"]) for row in report["tunnels"]} == {(4097, 3, False)}


def test_arp_answered_by_vtep_is_no_tunnel_traffic(tmp_path: Path) -> None:
    """Docker tells every VTEP who has which address: questions never cross the wire, answers come at once."""
    net = Network(["A/left/eth0", "A/overlay:net/vxlan0", "A/ens33", "B/ens33"])
    left, right = "02:42:0a:00:01:02", "02:42:0a:00:01:04"
    question = arp(1, left, "10.0.1.2", "10.0.1.4")
    answer = arp(2, right, "10.0.1.4", "10.0.1.2", to=left)
    for after, point, octets in ((0, 0, question), (4, 1, question), (9, 1, answer), (12, 0, answer)):
        net.at(after, net.points[point], octets)
    net.now = 1000
    for number in range(3):
        packet = ping("10.0.1.2 > 10.0.1.4", 7, number, ident=number + 1, smac=left, dmac=right)
        wrapped = packet.but(tunnel=(4097, A, B, 55_003))
        net.pass_by(*((p, packet) for p in net.points[:2]), *((p, wrapped) for p in net.points[2:]))
    report = read(net, tmp_path)
    assert points(path_of(report, "10.0.1.2", "10.0.1.4")) == net.points
    assert {finding["name"] for finding in report["findings"]} <= {"tunnel-one-way"}
    points_of = {station["mac"]: station["points"] for station in report["stations"]}
    assert points_of[right] == ["A/left/eth0", "A/overlay:net/vxlan0"]


def test_keepalives_without_ip_id_are_matched_in_order(tmp_path: Path) -> None:
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


def test_unfilled_checksums_do_not_split_packets(tmp_path: Path) -> None:
    """On virtual links they hold anything; on the wire they are right; VXLAN's outer one is not zero either."""
    net = Network(["A/docker0", "A/ens33", "B/ens33"])
    for number in range(4):
        inside = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1, checksum=0x1111)
        outside = inside.routed(src=A, checksum=0x2222)
        net.pass_by(("A/docker0", inside), ("A/ens33", outside), ("B/ens33", outside.but(checksum=0x3333)))
        inner = tcp(f"{L}:40000 > {R}:80", bytes(9), seq=9 * number, ident=number + 1, checksum=0x4444)
        carrier = inner.but(tunnel=(4097, A, B, 50_000)).carrier(checksum=0x5555)
        net.pass_by(("A/ens33", carrier), ("B/ens33", carrier.but(checksum=0x6666)), gap=5e5)
    report = read(net, tmp_path)
    assert translations(report) == {("snat", "udp", (C1, 5000, B, 7000), (A, 5000, B, 7000))}
    assert points(path_of(report, C1, B)) == ["A/docker0", "A/ens33", "B/ens33"]
    assert points(path_of(report, L, R)) == ["A/ens33", "B/ens33"]
    told = {finding["name"] for finding in report["findings"] if finding["level"] != "info"}
    assert told == {"outer-checksum-wrong", "inner-checksum-wrong"}
    assert report["coverage"]["undecoded"] == {}


def test_frames_of_other_years_are_no_path(tmp_path: Path) -> None:
    """A pcapng simple packet block has no time: its frame is of 1970. No packet lives longer than 255 s (RFC 791)."""
    net = Network(["eth0", "eth1"])
    segment = tcp(f"{C1}:53 > {B}:5000", b"answer", seq=9, ident=1)
    net.at(0, "eth0", segment)
    net.at(256e6, "eth1", segment)
    assert read(net, tmp_path)["paths"] == []
