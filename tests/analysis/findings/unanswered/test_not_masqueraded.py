"""not-masqueraded: a container's own address on the wire, without an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import named
from tests.analysis.findings.routes import WAY, ask, facts, route_findings
from tests.stories import ACK, SYN, Network, arp, ping, tcp, udp
from tests.story_reports import C1, C2, A, B, read


def test_container_address_on_the_wire_is_told(tmp_path: Path) -> None:
    """The masquerade rule is gone; B has a 172.17.0.0/16 of its own, and looks for the client there."""
    net = Network([*WAY, "B/docker0"])
    ask(net, tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1), WAY)
    ask(net, ping(f"{C2} > {B}", 9, 1, ident=50), WAY)
    for _ in range(3):
        net.at(net.now, "B/docker0", arp(1, "02:42:00:00:00:0b", "172.17.0.1", C1))
        net.now += 1e6
    report = read(net, tmp_path)
    (finding,) = named(report, "not-masqueraded")
    assert finding["facts"] == {"point": "A/ens33", "addresses": [C1, C2], "connections": 2}
    assert finding["level"] == "error" and "POSTROUTING" in finding["fix"]
    assert {frame["point"] for frame in finding["evidence"]} == {"A/ens33"}
    assert route_findings(report) == {"not-masqueraded"}
    assert report["nat"] == []


def test_answer_to_a_namesake_on_the_other_host_is_told(tmp_path: Path) -> None:
    """B's own container has the address: it gets the SYN-ACK and refuses it."""
    net = Network([*WAY, "B/docker0"])
    ask(net, tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1), WAY)
    net.pass_by(("B/docker0", tcp(f"{B}:7000 > {C1}:5555", flags=SYN | ACK, seq=900, ack=101)))
    assert route_findings(read(net, tmp_path)) == {"not-masqueraded"}


def test_capture_of_the_senders_host_alone_is_told(tmp_path: Path) -> None:
    net = Network(WAY[:2])
    ask(net, tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1), WAY[:2])
    assert facts(read(net, tmp_path), "not-masqueraded")[0]["addresses"] == [C1]


def test_masqueraded_question_without_answer_is_silent(tmp_path: Path) -> None:
    net = Network(WAY)
    ask(net, tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1), WAY, outside=A)
    assert route_findings(read(net, tmp_path)) == set()


def test_answered_question_of_routed_network_is_silent(tmp_path: Path) -> None:
    """B has a route to the containers."""
    net = Network(WAY)
    syn = tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1)
    net.pass_by(("A/docker0", syn), *((point, syn.routed()) for point in WAY[1:]))
    answer = tcp(f"{B}:7000 > {C1}:5555", flags=SYN | ACK, seq=900, ack=101, ident=2)
    net.pass_by(*((point, answer) for point in WAY[:0:-1]), ("A/docker0", answer.routed()))
    assert route_findings(read(net, tmp_path)) == set()


@pytest.mark.parametrize("story", ["bridged", "no question"])
def test_packets_without_route_or_question_is_silent(tmp_path: Path, story: str) -> None:
    """The interface is a port of the bridge; or a log message, which gets no answer."""
    net = Network(WAY)
    if story == "bridged":
        for number in range(3):
            net.pass_by(*((point, ping(f"192.168.111.50 > {B}", 9, number, ident=number + 1)) for point in WAY))
    else:
        ask(net, udp(f"{C1}:514 > {B}:514", b"a message to a log", ident=1), WAY)
    assert route_findings(read(net, tmp_path)) == set()
