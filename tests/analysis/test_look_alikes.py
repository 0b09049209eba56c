"""Equal things that are not the same: clashes, repeated payloads, one address twice, one flow in two networks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import ACK, SYN, Network, arp, ping, tcp, udp
from tests.story_reports import C1, C2, A, B, changes, lost, path_of, points, read, translations


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


def test_equal_datagrams_of_strangers_are_no_translation_of_each_other(tmp_path: Path) -> None:
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
def test_one_of_many_equal_datagrams_is_lost_and_the_way_stays(tmp_path: Path, gone: int) -> None:
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


@pytest.mark.parametrize("macs", [("02:42:ac:11:00:02",) * 2, ("9e:31:00:00:00:0a", "5a:77:00:00:00:0b")])
def test_both_hosts_own_the_same_container_address(tmp_path: Path, macs: tuple[str, str]) -> None:
    """172.17.0.2 on A talks to B's address, 172.17.0.2 on B to A's, at the same time, with the same ports.

    Older Docker makes the MAC of the address, so that both have one; newer Docker takes a random one.
    """
    net = Network(["A/docker0", "A/ens33", "B/ens33", "B/docker0"])
    for number in range(4):
        for host, first, here, there in (("A", 10, A, B), ("B", 20, B, A)):
            segment = tcp(
                f"{C1}:5555 > {there}:7000", b"hello", seq=first + 5 * number, ident=1000 * first + number,
                smac=macs[host == "B"],
            )  # fmt: skip
            out = segment.routed(src=here, smac=f"02:00:c0:a8:6f:{'80' if host == 'A' else '81'}")
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


# -- copies -------------------------------------------------------------------------------------------
def test_an_any_capture_without_link_layer_headers_holds_every_hop_too(tmp_path: Path) -> None:
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
    (finding,) = [each for each in report["findings"] if each["name"] == "duplicate-observation"]
    assert finding["facts"]["packets"] == 10
    assert not [each for each in report["findings"] if each["name"] in ("packet-loss", "retransmissions")]


def test_a_promiscuous_bridge_routes_a_copy_of_what_it_only_bridges(tmp_path: Path) -> None:
    """Capturing at docker0 makes it promiscuous: the host routes the copy, with docker0's MAC and one TTL less."""
    net = Network(["A/veth1", "A/docker0", "A/veth2"])
    bridge, mine, theirs = "02:42:00:00:00:01", "02:42:ac:11:00:02", "02:42:ac:11:00:03"
    for number in range(4):
        packet = tcp(f"{C1}:5555 > {C2}:80", b"x", seq=number, ident=number + 1, smac=mine, dmac=theirs)
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
        each["facts"]["point"] for each in report["findings"] if each["name"] == "duplicate-observation"
    }


def test_what_is_sent_to_a_group_is_not_lost_where_nobody_listens_to_it(tmp_path: Path) -> None:
    """MLD and mDNS: some ports of a bridge get them, others do not, or not always; snooping decides."""
    net = Network(["A/docker0", "A/veth1", "A/veth2"])
    for number in range(8):
        report_ = udp("[fe80::1]:5353 > [ff02::fb]:5353", b"%04d" % number, dmac="33:33:00:00:00:fb")
        listening = ["A/veth1"] if number < 4 else ["A/veth1", "A/veth2"] if number % 2 else ["A/veth2"]
        net.pass_by(("A/docker0", report_), *((point, report_) for point in listening))
    for point in net.points:
        net.at(net.now + 1000, point, udp(f"{C1}:9 > {C2}:9", point.encode(), ident=5))
    report = read(net, tmp_path)
    assert all(not hop["lost"] for path in report["paths"] for hop in path["hops"])
    assert not [each for each in report["findings"] if each["name"] == "packet-loss"]


# -- networks beside each other -----------------------------------------------------------------------------
@pytest.mark.parametrize("equal", [False, True], ids=["other numbers", "to the octet"])
def test_frames_of_an_unknown_vni_are_not_taken_for_those_that_came_out(tmp_path: Path, equal: bool) -> None:
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
    found = {path["hops"][0]["tunnel"]["vni"]: path for path in report["paths"] if path["flow"]["src"] == "10.0.1.2"}
    assert points(found[4097]) == ["A/ens33", "B/ens33", "B/overlay:net/vxlan0"]
    assert points(found[9999]) == ["A/ens33", "B/ens33"]
    assert (lost(found[4097]), lost(found[9999])) == ([None, 0, 0], [None, 0])
    assert found[9999]["ends"] == "unknown"  # that nothing came out of it, no packet says
    assert report["nat"] == []


def test_the_outer_source_port_is_no_part_of_what_is_inside(tmp_path: Path) -> None:
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


def test_arp_that_a_vtep_answers_itself_is_no_traffic_of_the_tunnel(tmp_path: Path) -> None:
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
    assert {each["name"] for each in report["findings"]} <= {"tunnel-one-way"}
    spoken = {each["mac"]: each["points"] for each in report["stations"]}
    assert spoken[right] == ["A/left/eth0", "A/overlay:net/vxlan0"]


# -- Swarm's own traffic ------------------------------------------------------------------------------------
def shown(net: Network, folder: Path) -> set[tuple[str, int | None, str, int | None]]:
    return {
        (flow["src"], flow["sport"], flow["dst"], flow["dport"])
        for flow in (path["flow"] for path in read(net, folder)["paths"])
    }


def test_swarms_own_traffic_is_left_out_and_a_client_with_such_a_port_is_not(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    both = ["A/ens33", "B/ens33"]
    for number in range(3):
        flags = SYN if number == 0 else ACK
        for ends in (f"{A}:40001 > {B}:2377", f"{A}:40002 > {B}:7946", f"{A}:7946 > {B}:80", f"{A}:2377 > {B}:9000"):
            there = tcp(ends, b"x" * number, seq=number * 9, flags=flags, ident=number + 1)
            net.pass_by(*((point, there) for point in both))
            target, source = ends.split(" > ")[::-1]
            back = tcp(f"{target} > {source}", b"y" * number, seq=number, ack=1, flags=flags | ACK, ident=number + 7)
            net.pass_by(*((point, back) for point in both[::-1]))
        for ends in (f"{A}:7946 > {B}:7946", f"{A}:7946 > {B}:53", f"{A}:50000 > {B}:7946"):
            packet = udp(ends, b"%04d" % number, ident=number + 40)
            net.pass_by(*((point, packet) for point in both))
    assert shown(net, tmp_path) == {
        (A, 7946, B, 80), (B, 80, A, 7946), (A, 2377, B, 9000), (B, 9000, A, 2377),
        (A, 7946, B, 53), (A, 50000, B, 7946),
    }  # fmt: skip


def test_a_connection_whose_beginning_was_not_seen_belongs_to_its_lower_port(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    for number in range(3):
        for ends in (f"{A}:40001 > {B}:2377", f"{B}:7946 > {A}:33000", f"{A}:7946 > {B}:80"):
            packet = tcp(ends, b"x", seq=number, ack=5, ident=number + 1)
            net.pass_by(*((point, packet) for point in net.points))
    assert shown(net, tmp_path) == {(A, 7946, B, 80)}


def test_a_container_that_serves_swarms_port_is_a_user_of_it(tmp_path: Path) -> None:
    """Serf and others gossip on 7946 too: from a container, through masquerade, or inside an overlay."""
    net = Network(["A/docker0", "A/ens33", "B/ens33"])
    for number in range(3):
        packet = udp(f"{C1}:7946 > {B}:7946", b"%04d" % number, ident=number + 1)
        outside = packet.routed(src=A)
        net.pass_by(("A/docker0", packet), ("A/ens33", outside), ("B/ens33", outside))
        inner = udp("10.0.1.2:7946 > 10.0.1.4:7946", b"%04d" % number, ident=number + 50, tunnel=(4097, A, B, 5))
        net.pass_by(("A/ens33", inner), ("B/ens33", inner))
    assert shown(net, tmp_path) == {(C1, 7946, B, 7946), ("10.0.1.2", 7946, "10.0.1.4", 7946)}
