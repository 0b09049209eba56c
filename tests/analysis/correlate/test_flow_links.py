"""One flow goes on in two forms or by two interfaces, one after the other or in turn: both paths are found, no loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.engine import study
from tests.stories import ACK, SYN, Network, Packet, tcp, udp
from tests.story_reports import C1, C2, A, B, findings_named, lost, points, read, translations


def remapped() -> Network:
    """A connection table forgets a UDP flow, and gives it another port when it goes on."""
    net = Network(["A/docker0", "A/ens33"])
    for number in range(12):
        port = 5555 if number < 7 else 61_000
        beat = udp(f"{C1}:5555 > {B}:7000", b"beat %02d" % number, ident=number + 1)
        net.pass_by(("A/docker0", beat), ("A/ens33", beat.routed(src=A, sport=port)))
        answer = udp(f"{B}:7000 > {A}:{port}", b"seen %02d" % number, ident=number + 100)
        net.pass_by(("A/ens33", answer), ("A/docker0", answer.routed(ends=f"{B}:7000 > {C1}:5555")), gap=1e6)
    return net


def test_remapped_flow_has_two_translations_and_no_loss(tmp_path: Path) -> None:
    """The connection table forgets a flow, which gets another port when it goes on."""
    report = read(remapped(), tmp_path)
    first, second = (("snat", "udp", (C1, 5555, B, 7000), (A, port, B, 7000)) for port in (5555, 61_000))
    assert translations(report) == {first, second}
    assert sorted(row["packets"] for row in report["nat"]) == [5, 7]
    assert all(row["reply_seen"] and row["port_rewritten"] == (row["after"]["sport"] != 5555) for row in report["nat"])
    assert not findings_named(report, "packet-loss")
    ways = {(path["flow"]["sport"], path["flow"]["dport"], path["hops"][1]["sport"]) for path in report["paths"]}
    assert ways == {(5555, 7000, 5555), (5555, 7000, 61_000), (7000, 5555, 7000), (7000, 61_000, 7000)}
    assert all(lost(path) == [None, 0] and path["ends"] == "delivered" for path in report["paths"])


@pytest.mark.parametrize("missing", [3, 9])
def test_loss_in_a_remapped_flow_is_reported(tmp_path: Path, missing: int) -> None:
    """One packet of a flow with two translations does not arrive."""
    net = remapped()
    gone = [i for i, (_, point, form) in enumerate(net.recorded)
            if point == "A/ens33" and isinstance(form, Packet) and form.payload == b"beat %02d" % missing]  # fmt: skip
    assert len(gone) == 1
    del net.recorded[gone[0]]
    report = read(net, tmp_path)
    (finding,) = findings_named(report, "packet-loss")
    assert (finding["facts"]["lost"], finding["facts"]["after"]) == (1, "A/docker0")


def test_reused_port_reaches_another_server(tmp_path: Path) -> None:
    """A published port is balanced: the second connection, with equal ports, goes to C2."""
    net = Network(["A/ens33", "A/docker0"])
    for server, first in ((C1, 1_000), (C2, 900_000_000)):
        for number in range(6):
            flags = SYN if number == 0 else ACK
            asked = tcp(f"{B}:40000 > {A}:8080", b"x" * (number > 0), seq=first + number, flags=flags, ident=number + 1)
            net.pass_by(("A/ens33", asked), ("A/docker0", asked.routed(ends=f"{B}:40000 > {server}:80")))
            flags = SYN | ACK if number == 0 else ACK
            answer = tcp(f"{server}:80 > {B}:40000", seq=first + 50, ack=first + number + 1, flags=flags, ident=0)
            net.pass_by(("A/docker0", answer), ("A/ens33", answer.routed(ends=f"{A}:8080 > {B}:40000")))
        net.now += 3e6
    report = read(net, tmp_path)
    assert translations(report) == {
        ("dnat", "tcp", (B, 40_000, A, 8080), (B, 40_000, server, 80)) for server in (C1, C2)
    }
    assert not findings_named(report, "packet-loss")


def test_syn_translated_anew_each_time_is_not_lost(tmp_path: Path) -> None:
    """A rule drops the SYN behind DNAT, so the connection is not kept: each try may get another server (measured)."""
    net = Network(["A/app/eth0", "A/cni0"])
    for server in (C1, C2, C2):
        asked = tcp("10.244.1.3:48354 > 10.96.0.10:80", seq=77_000, flags=SYN, ident=1)
        net.pass_by(("A/app/eth0", asked), ("A/cni0", asked.but(ends=f"10.244.1.3:48354 > {server}:80")), gap=1e6)
    report = read(net, tmp_path)
    assert not findings_named(report, "packet-loss")


def test_bond_round_robin_loses_nothing(tmp_path: Path) -> None:
    """Round robin over the two ports of a bond."""
    net = Network(["A/bond0", "A/eth0", "A/eth1"])
    for number in range(20):
        segment = tcp(f"{A}:5555 > {B}:80", bytes(100), seq=100 * number, ident=number + 1)
        net.pass_by(("A/bond0", segment), (f"A/eth{number % 2}", segment))
    report = read(net, tmp_path)
    assert sorted(map(points, report["paths"])) == [["A/bond0", "A/eth0"], ["A/bond0", "A/eth1"]]
    assert all(lost(path) == [None, 0] for path in report["paths"])
    assert not findings_named(report, "packet-loss") and report["nat"] == []


@pytest.mark.parametrize("is_shown", [True, False])
def test_syn_by_another_interface_is_not_lost(tmp_path: Path, is_shown: bool) -> None:
    """A route with two next hops, one of which is dead: the SYN that is sent again takes the other one."""
    net = Network(["A/docker0", "A/eth0", "A/eth1"] if is_shown else ["A/docker0", "A/eth0"])
    for port in (5555, 5556):
        for number, way in enumerate(("A/eth1", "A/eth0")):
            syn = tcp(f"{C1}:{port} > {B}:80", seq=port, flags=SYN, ident=port + 10 * number)
            net.pass_by(("A/docker0", syn), *([(way, syn.routed())] if way in net.points else []), gap=1e6)
        answer = tcp(f"{B}:80 > {C1}:{port}", seq=9, ack=port + 1, flags=SYN | ACK, ident=port + 50)
        net.pass_by(("A/eth0", answer), ("A/docker0", answer.routed()))
        done = tcp(f"{C1}:{port} > {B}:80", seq=port + 1, ack=10, flags=ACK, ident=port + 60)
        net.pass_by(("A/docker0", done), ("A/eth0", done.routed()))
    report = read(net, tmp_path)
    assert bool(findings_named(report, "packet-loss")) != is_shown


@pytest.mark.parametrize("count", [1, 6])
def test_equal_datagrams_make_no_side_link(tmp_path: Path, count: int) -> None:
    """A question to two servers without identifications, one of which is translated elsewhere: no packet tells."""
    net = Network(["A/docker0", "A/ens33"])
    for _ in range(count):
        for server in ("8.8.8.8", "8.8.4.4"):
            query = udp(f"{C1}:4000 > {server}:53", b"who is web?")
            hops = [("A/docker0", query), ("A/ens33", query.routed(src=A))]
            net.pass_by(*(hops if server == "8.8.8.8" else hops[:1]), gap=1e6)
    report = read(net, tmp_path)
    assert translations(report) <= {("snat", "udp", (C1, 4000, "8.8.8.8", 53), (A, 4000, "8.8.8.8", 53))}


def test_translation_between_two_hosts_is_one_row(tmp_path: Path) -> None:
    """Nothing in between was seen on either host, or the answers alone: it is still one connection."""
    for middle in (False, True):
        net = Network(["A/docker0", "A/ens33", "B/ens33"])
        for number in range(4):
            asked = tcp(f"{C1}:5555 > {B}:7000", b"x", seq=number, ack=9, ident=number + 1)
            net.pass_by(("A/docker0", asked), ("B/ens33", asked.routed(src=A)))
            answer = tcp(f"{B}:7000 > {A}:5555", b"y", seq=9 + number, ack=number, ident=number + 50)
            net.pass_by(
                ("B/ens33", answer), *([("A/ens33", answer)] if middle else []), ("A/docker0", answer.routed(dst=C1))
            )
        report = read(net, tmp_path)
        assert len(report["nat"]) == 1
        assert translations(report) == {("snat", "tcp", (C1, 5555, B, 7000), (A, 5555, B, 7000))}
        assert report["nat"][0]["reply_seen"]


def test_chain_of_joins_is_followed_for_a_few_hops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty flows, each of which goes on in the next one and has another flow that joins it."""
    monkeypatch.setattr("capnet.analysis.correlate.flow_links.MAX_HOPS_BEHIND", 4)
    net = Network(["A/one", "A/two", "A/three"])
    points_ = ["A/one", "A/two"]
    ident = 0
    for number in range(60):
        first, second = points_ if number % 2 else points_[::-1]
        onward = f"{C1}:1000 > 10.0.1.{number + 1}:2000"
        for count in range(7):  # four of the chain, three that join it
            ident += 1
            ends = f"{C1}:1000 > 10.0.1.{number}:2000" if count < 4 else f"10.0.2.{number}:1000 > 10.0.1.{number}:2000"
            sent = udp(ends, b"number %04d" % ident, ident=ident)
            net.pass_by((first if count < 4 else "A/three", sent), (second, sent.routed(ends=onward)))
    links = flow_links(study(net.write(tmp_path)).context)
    assert links.is_join.sum() == 60
    lengths = [len(chain) for chain in links.chains()]
    assert len(lengths) == 61 and max(lengths) == 60
    assert sum(lengths) <= 60 + 60 * 5


def test_copies_of_a_broadcast_for_each_peer_are_no_loss(tmp_path: Path) -> None:
    """A VTEP sends each peer a copy of a broadcast, in equal datagrams; its answers to one of them are its alone."""
    nodes = ["10.50.0.11", "10.50.0.12", "10.50.0.13"]
    net = Network(["n1/eth0", "n3/eth0"])
    asked = udp("10.77.9.12:5353 > 10.77.9.255:9999", b"who is there", dmac="ff:ff:ff:ff:ff:ff", ident=1)
    for point, node in (("n3/eth0", nodes[2]), ("n1/eth0", nodes[0])):
        net.at(net.now, point, asked.but(tunnel=(42, nodes[1], node, 42343)).carrier())
        net.now += 20
    for number in range(2):
        answer = udp("10.77.9.12:7000 > 10.77.9.11:40000", b"answer %d" % number, ident=10 + number)
        net.pass_by(("n1/eth0", answer.but(tunnel=(42, nodes[1], nodes[0], 42343)).carrier()))
        net.pass_by(("n3/eth0", udp("10.50.0.13:1 > 10.50.0.12:2", b"%d" % number, ident=30 + number)))
    report = read(net, tmp_path)
    assert [fate["fate"] for fate in report["fates"] if fate["missing"]] == []
    assert report["nat"] == []
