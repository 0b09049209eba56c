"""swarm-port-blocked: nodes of a Swarm reach each other, but not by all the ports that it needs."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.overlays import X_MAC, Y_MAC, X, Y, outer
from tests.analysis.findings.reported import Findings, of_story
from tests.analysis.findings.wires import CARDS, ask, gossip, send, two_cards
from tests.stories import ACK, SYN, Network, Packet, ping, tcp, udp
from tests.story_reports import A, B


def is_udp_to_b(packet: Packet) -> bool:
    return packet.proto == "udp" and packet.dst == B


def blocked(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "swarm-port-blocked")


def test_gossip_that_the_wire_drops_one_way_is_told(tmp_path: Path) -> None:
    net = two_cards()
    for number in range(6):
        gossip(net, number, is_udp_to_b)
    (finding,) = blocked(net, tmp_path)
    assert finding["level"] == "error" and finding["facts"]["services"] == ["udp port 7946"]
    assert (finding["facts"]["point"], finding["facts"]["next"]) == tuple(CARDS)
    assert of_story(net, tmp_path, "lost-on-the-wire") == []


def test_gossip_one_way_at_one_point_is_told(tmp_path: Path) -> None:
    """B sees its own probes only, and TCP in both directions."""
    net = two_cards()
    net.points = ["B/ens33"]
    net.recorded = [record for record in net.recorded if record[1] == "B/ens33"]
    for number in range(12):
        gossip(net, number, is_udp_to_b)
    (finding,) = blocked(net, tmp_path)
    assert finding["facts"]["nodes"] == [B, A] and finding["facts"]["packets"] == 12


def test_tunnel_that_the_wire_drops_is_told(tmp_path: Path) -> None:
    """The data path port is closed, the other ports of the Swarm are open."""
    net = two_cards()
    for number in range(6):
        gossip(net, number)
        inside = ping(f"{X} > {Y}", 7, number, ident=300 + number, smac=X_MAC, dmac=Y_MAC)
        send(net, outer(inside, True), lambda packet: packet.dport == 4789)
    (finding,) = blocked(net, tmp_path)
    assert finding["facts"]["services"] == ["udp port 4789"]


def test_gossip_in_both_directions_is_silent(tmp_path: Path) -> None:
    net = two_cards()
    for number in range(12):
        gossip(net, number)
    assert blocked(net, tmp_path) == []


def test_node_that_left_is_silent(tmp_path: Path) -> None:
    """A goes on probing for a while; B answers nothing any more."""
    net = two_cards()
    net.points = ["A/ens33"]
    net.recorded = [record for record in net.recorded if record[1] == "A/ens33"]
    for number in range(3):
        ask(net, number, port=7946)
    for number in range(20):
        send(net, udp(f"{A}:7946 > {B}:7946", b"probe %d" % number, ident=2000 + number), gap=1e6)
    assert blocked(net, tmp_path) == []


def test_other_port_that_the_wire_drops_is_silent(tmp_path: Path) -> None:
    net = two_cards()
    for number in range(6):
        gossip(net, number)
        send(net, udp(f"{A}:5000 > {B}:53", b"question %d" % number, ident=600 + number), is_udp_to_b)
    assert blocked(net, tmp_path) == []


def knocked(folder: Path, *, is_answered_back: bool, port: int = 7946) -> Findings:
    """A asks B's port in vain three times, and B asks A's."""
    net = Network(["A/ens33"])
    for number in range(3):
        syn = tcp(f"{A}:{40000 + number} > {B}:{port}", seq=7, flags=SYN)
        net.pass_by(("A/ens33", syn), gap=1.1e6)
        net.pass_by(("A/ens33", syn), gap=1.1e6)
        back, answer = f"{B}:{50000 + number} > {A}:7946", f"{A}:7946 > {B}:{50000 + number}"
        net.pass_by(("A/ens33", tcp(back, seq=9, flags=SYN)))
        if is_answered_back:
            net.pass_by(("A/ens33", tcp(answer, seq=900, ack=10, flags=SYN | ACK)))
            net.pass_by(("A/ens33", tcp(back, seq=10, ack=901)))
    return blocked(net, folder)


def test_gossip_by_tcp_that_nothing_answers_is_told(tmp_path: Path) -> None:
    """The firewall of B: what B opens itself passes."""
    (finding,) = knocked(tmp_path, is_answered_back=True)
    assert (finding["level"], finding["facts"]["nodes"]) == ("error", [A, B])
    assert finding["says"].startswith(f"6 SYNs of node {A} to Swarm's port 7946 of node {B} got no answer at A/ens33")


def test_node_that_does_not_come_the_other_way_is_silent(tmp_path: Path) -> None:
    """It may be down."""
    assert knocked(tmp_path, is_answered_back=False) == []


def test_other_port_that_nothing_answers_is_silent(tmp_path: Path) -> None:
    assert knocked(tmp_path, is_answered_back=True, port=8080) == []
