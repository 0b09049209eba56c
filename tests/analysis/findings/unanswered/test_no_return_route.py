"""no-return-route: a host that gets packets of a network that it has no route to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import named
from tests.analysis.findings.routes import CARD, route_findings
from tests.stories import ACK, SYN, Network, Packet, ping, tcp
from tests.story_reports import B, read

L3 = ["A/one/eth0", "A/ens33", "B/ens33"]


def routed_without_nat(net: Network, packet: Packet) -> None:
    """Three times by ipvlan L3: out with the parent's MAC, TTL unchanged."""
    for number in range(3):
        sent = packet.but(ident=packet.ident + number, seq=packet.seq + number * (packet.proto == "icmp"), smac=CARD)
        net.pass_by(*((point, sent) for point in L3), gap=1e6)


def test_host_without_route_to_ipvlan_l3_is_told(tmp_path: Path) -> None:
    net = Network(L3)
    routed_without_nat(net, ping(f"10.0.1.2 > {B}", 9, 1, ident=1))
    routed_without_nat(net, tcp(f"10.0.2.2:4000 > {B}:80", flags=SYN, seq=1, ident=40))
    report = read(net, tmp_path)
    (finding,) = named(report, "no-return-route")
    assert finding["facts"] == {
        "point": "B/ens33", "destination": B, "sources": ["10.0.1.2", "10.0.2.2"], "connections": 2,
    }  # fmt: skip
    assert finding["level"] == "error" and f"give {B} a route back to 10.0.1.2" in finding["fix"]
    assert {frame["point"] for frame in finding["evidence"]} == {"B/ens33"}
    assert route_findings(report) == {"no-return-route"}


@pytest.mark.parametrize("story", ["answered", "same network", "sender's host alone", "public address"])
def test_route_neighbour_or_one_side_alone_is_silent(tmp_path: Path, story: str) -> None:
    net = Network(L3[:2] if story == "sender's host alone" else L3)
    source = {"same network": "192.168.111.10", "public address": "203.0.113.5"}.get(story, "10.0.1.2")
    question = ping(f"{source} > {B}", 9, 1, ident=1, smac=CARD)
    for number in range(3):
        sent = question.but(seq=number, ident=number + 1)
        net.pass_by(*((point, sent) for point in net.points), gap=1e5)
        if story == "answered":
            answer = ping(f"{B} > {source}", 9, number, ident=number + 90, icmp=(0, 0))
            net.pass_by(*((point, answer) for point in L3[::-1]), gap=1e5)
    assert route_findings(read(net, tmp_path)) == set()


@pytest.mark.parametrize("story", ["one port", "another port is answered"])
def test_port_that_a_filter_may_drop_is_silent(tmp_path: Path, story: str) -> None:
    """A node without a backend drops connections to a node port; it may have a route to all clients."""
    net = Network(L3)
    routed_without_nat(net, tcp(f"10.0.2.2:4000 > {B}:32204", flags=SYN, seq=1, ident=40))
    if story == "another port is answered":
        routed_without_nat(net, tcp(f"10.0.2.2:4001 > {B}:32205", flags=SYN, seq=1, ident=50))
        net.pass_by(*((point, tcp(f"10.0.2.2:4002 > {B}:22", flags=SYN, seq=5, ident=60, smac=CARD)) for point in L3))
        answer = tcp(f"{B}:22 > 10.0.2.2:4002", flags=SYN | ACK, seq=9, ack=6, ident=7)
        net.pass_by(*((point, answer) for point in L3[::-1]))
    assert route_findings(read(net, tmp_path)) == set()


def test_client_on_another_host_is_silent(tmp_path: Path) -> None:
    """A client's own interface was captured, as one of a container; its SYNs come in at the host's card."""
    net = Network(["container-client/eth0", "A/ens33"])
    for number in range(3):
        syn = tcp("10.9.0.5:4000 > 192.168.111.128:32204", flags=SYN, seq=1, ident=number + 1, dmac="02:00:00:00:00:09")
        hops = [("container-client/eth0", syn), ("A/ens33", syn.routed(smac=CARD, dmac="00:0c:29:5a:00:80"))]
        net.pass_by(*hops, gap=1e6)
        own = tcp("192.168.111.128:50000 > 192.168.111.1:53", flags=SYN, seq=1, ident=90 + number, dmac=CARD)
        net.pass_by(("A/ens33", own.but(smac="00:0c:29:5a:00:80")))
    assert route_findings(read(net, tmp_path)) == set()


def test_one_answer_to_many_questions_is_silent(tmp_path: Path) -> None:
    """What is missing then is lost, not without a route."""
    net = Network(L3)
    routed_without_nat(net, ping(f"10.0.1.2 > {B}", 9, 1, ident=1))
    answer = ping(f"{B} > 10.0.1.2", 9, 2, ident=90, icmp=(0, 0))
    net.pass_by(*((point, answer) for point in L3[::-1]))
    assert route_findings(read(net, tmp_path)) == set()


def test_question_dropped_by_a_router_is_silent(tmp_path: Path) -> None:
    """It arrived at the host that should forward it, which speaks for its own address, not at the destination."""
    router, router_mac = "192.168.111.128", "02:00:c0:a8:6f:80"
    net = Network(["B/ens33", "A/ens33"])
    for number in range(3):
        own = ping(f"{B} > {router}", 8, number, ident=number + 200, smac=CARD, dmac=router_mac)
        reply = own.but(ends=f"{router} > {B}", icmp=(0, 0), ident=number + 300, smac=router_mac, dmac=CARD)
        net.pass_by(*((point, own) for point in net.points))
        net.pass_by(*((point, reply) for point in net.points[::-1]))
        question = ping(f"{B} > 172.18.0.2", 9, number, ident=number + 1, smac=CARD, dmac=router_mac)
        net.pass_by(*((point, question) for point in net.points), gap=1e6)
    assert named(read(net, tmp_path), "no-return-route") == []


def test_question_that_stops_before_its_receiver_is_silent(tmp_path: Path) -> None:
    """Connections to a port of the last host pass its card and a bridge behind it; those of one client stop between."""
    net = Network(["C/eth0", "A/ens33", "A/docker0"])
    for client, served in (("10.9.0.50", True), ("10.9.0.51", True), ("10.8.0.5", False)):
        for number in range(3):
            syn = tcp(f"{client}:4000 > {B}:80", flags=SYN, seq=number * served, ident=number + 1, dmac=CARD)
            inside = syn.routed(dst="172.17.0.2")
            points = [("C/eth0", syn.but(ttl=65)), ("A/ens33", syn), *([("A/docker0", inside)] if served else [])]
            net.pass_by(*points, gap=1e6)
            if served:
                back = tcp(f"172.17.0.2:80 > {client}:4000", seq=90 + number, ident=number + 60)
                net.pass_by(("A/docker0", back), ("A/ens33", back.routed(src=B)))
    report = read(net, tmp_path)
    assert [row["fate"] for row in report["fates"] if row["flow"]["src"] == "10.8.0.5"] == ["stops-at"]
    assert named(report, "no-return-route") == []
