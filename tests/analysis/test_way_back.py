"""Questions without answers, answers by another way: findings about routes, on stories with the trouble and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.stories import ACK, SYN, Network, Packet, arp, ping, tcp, udp
from tests.story_reports import C1, C2, A, B, read

WAY = ["A/docker0", "A/ens33", "B/ens33"]
CARD = "02:00:c0:a8:6f:80"  # host A's


def facts(report: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [each["facts"] for each in report["findings"] if each["name"] == name]


def names(report: dict[str, Any]) -> set[str]:
    return {each["name"] for each in report["findings"]} & {"not-masqueraded", "no-return-route", "asymmetric-path"}


def asks(net: Network, packet: Packet, points: list[str], *, outside: str | None = None, gap: float = 1e6) -> None:
    """From docker0 by A's card to B; `outside`: masqueraded as that address."""
    for number in range(3):
        inside = packet.but(ident=packet.ident + number, seq=packet.seq + number * (packet.proto == "icmp"))
        routed = inside.routed(smac=CARD, **({"src": outside} if outside else {}))
        net.pass_by(*((point, inside if point == "A/docker0" else routed) for point in points), gap=gap)


# -- not-masqueraded --------------------------------------------------------------------------------------
def test_a_containers_own_address_on_the_wire_without_an_answer_is_a_lost_masquerade(tmp_path: Path) -> None:
    """The rule is gone; B has a 172.17.0.0/16 of its own, and looks for the client there."""
    net = Network([*WAY, "B/docker0"])
    asks(net, tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1), WAY)
    asks(net, ping(f"{C2} > {B}", 9, 1, ident=50), WAY)
    for _ in range(3):
        net.at(net.now, "B/docker0", arp(1, "02:42:00:00:00:0b", "172.17.0.1", C1))
        net.now += 1e6
    report = read(net, tmp_path)
    assert facts(report, "not-masqueraded") == [{"point": "A/ens33", "addresses": [C1, C2], "connections": 2}]
    (finding,) = [each for each in report["findings"] if each["name"] == "not-masqueraded"]
    assert finding["level"] == "error" and "POSTROUTING" in finding["fix"]
    assert {each["point"] for each in finding["evidence"]} == {"A/ens33"}
    assert names(report) == {"not-masqueraded"}
    assert report["nat"] == []


def test_an_answer_to_a_namesake_on_the_other_host_is_no_answer(tmp_path: Path) -> None:
    """B's own container has the address: it gets the SYN-ACK and refuses it."""
    net = Network([*WAY, "B/docker0"])
    asks(net, tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1), WAY)
    net.pass_by(("B/docker0", tcp(f"{B}:7000 > {C1}:5555", flags=SYN | ACK, seq=900, ack=101)))
    assert names(read(net, tmp_path)) == {"not-masqueraded"}


def test_it_is_told_from_the_senders_host_alone(tmp_path: Path) -> None:
    net = Network(WAY[:2])
    asks(net, tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1), WAY[:2])
    assert facts(read(net, tmp_path), "not-masqueraded")[0]["addresses"] == [C1]


@pytest.mark.parametrize("story", ["masqueraded", "answered", "bridged", "no question"])
def test_what_is_masqueraded_answered_or_not_asked_is_not_lost(tmp_path: Path, story: str) -> None:
    net = Network(WAY)
    if story == "masqueraded":  # and nobody answers it, either
        asks(net, tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1), WAY, outside=A)
    elif story == "answered":  # a routed network: B has a route to the containers
        syn = tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1)
        net.pass_by(("A/docker0", syn), *((point, syn.routed()) for point in WAY[1:]))
        answer = tcp(f"{B}:7000 > {C1}:5555", flags=SYN | ACK, seq=900, ack=101, ident=2)
        net.pass_by(*((point, answer) for point in WAY[:0:-1]), ("A/docker0", answer.routed()))
    elif story == "bridged":  # the card is a port of the bridge: the container is on the network itself
        for number in range(3):
            net.pass_by(*((point, ping(f"192.168.111.50 > {B}", 9, number, ident=number + 1)) for point in WAY))
    else:
        asks(net, udp(f"{C1}:514 > {B}:514", b"a message to a log, which nobody answers", ident=1), WAY)
    assert names(read(net, tmp_path)) == set()


# -- no-return-route -----------------------------------------------------------------------------------------
L3 = ["A/one/eth0", "A/ens33", "B/ens33"]


def routed_without_nat(net: Network, packet: Packet, times: int = 3) -> None:
    """ipvlan L3: out by the card with its MAC, TTL unchanged."""
    for number in range(times):
        each = packet.but(ident=packet.ident + number, seq=packet.seq + number * (packet.proto == "icmp"), smac=CARD)
        net.pass_by(*((point, each) for point in L3), gap=1e6)


def test_a_host_without_a_route_to_an_ipvlan_l3_network_answers_nothing(tmp_path: Path) -> None:
    net = Network(L3)
    routed_without_nat(net, ping(f"10.0.1.2 > {B}", 9, 1, ident=1))
    routed_without_nat(net, tcp(f"10.0.2.2:4000 > {B}:80", flags=SYN, seq=1, ident=40))
    report = read(net, tmp_path)
    assert facts(report, "no-return-route") == [
        {"point": "B/ens33", "destination": B, "sources": ["10.0.1.2", "10.0.2.2"], "connections": 2}
    ]
    (finding,) = [each for each in report["findings"] if each["name"] == "no-return-route"]
    assert finding["level"] == "error" and B in finding["fix"]
    assert {each["point"] for each in finding["evidence"]} == {"B/ens33"}
    assert names(report) == {"no-return-route"}


@pytest.mark.parametrize("story", ["answered", "same network", "sender's host alone", "public address"])
def test_a_route_back_a_neighbour_or_one_side_alone_is_no_finding(tmp_path: Path, story: str) -> None:
    net = Network(L3[:2] if story == "sender's host alone" else L3)
    source = {"same network": "192.168.111.10", "public address": "203.0.113.5"}.get(story, "10.0.1.2")
    question = ping(f"{source} > {B}", 9, 1, ident=1, smac=CARD)
    for number in range(3):
        each = question.but(seq=number, ident=number + 1)
        net.pass_by(*((point, each) for point in net.points), gap=1e5)
        if story == "answered":
            answer = ping(f"{B} > {source}", 9, number, ident=number + 90, icmp=(0, 0))
            net.pass_by(*((point, answer) for point in L3[::-1]), gap=1e5)
    assert names(read(net, tmp_path)) == set()


def test_one_answer_of_many_questions_is_a_way_back(tmp_path: Path) -> None:
    """What is missing then is lost, not without a route."""
    net = Network(L3)
    routed_without_nat(net, ping(f"10.0.1.2 > {B}", 9, 1, ident=1))
    answer = ping(f"{B} > 10.0.1.2", 9, 2, ident=90, icmp=(0, 0))
    net.pass_by(*((point, answer) for point in L3[::-1]))
    assert names(read(net, tmp_path)) == set()


# -- asymmetric-path -----------------------------------------------------------------------------------------
CLIENT = "192.168.50.7"


def connection(net: Network, there: list[str], back: list[str], port: int = 4000, *, nat: bool = False) -> None:
    """A client beyond a router to a server on B; `nat`: to its published port, which A translates."""
    server = f"{A}:8080" if nat else f"{C1}:80"
    for number in range(3):
        flags = SYN if number == 0 else ACK
        ask = tcp(
            f"{CLIENT}:{port} > {server}", flags=flags, seq=10 + number, ack=5 * bool(number), ident=number + port
        )
        inside = ask.routed(ends=f"{CLIENT}:{port} > {C1}:80")
        net.pass_by(*((point, inside if point == "A/docker0" else ask) for point in there), gap=1e4)
        answer = tcp(
            f"{C1}:80 > {CLIENT}:{port}", flags=flags | ACK, seq=70 + number, ack=11 + number, ident=number + port + 99
        )
        outside = answer.routed(ends=f"{server} > {CLIENT}:{port}")
        net.pass_by(*((point, answer if point == "A/docker0" else outside) for point in back), gap=1e4)


@pytest.mark.parametrize("nat", [False, True], ids=["routed", "published port"])
def test_answers_that_leave_by_another_card_than_the_questions_came_in_by(tmp_path: Path, nat: bool) -> None:
    net = Network(["A/ens33", "A/ens34", "A/docker0"])
    connection(net, ["A/ens33", "A/docker0"], ["A/docker0", "A/ens34"], 4000, nat=nat)
    connection(net, ["A/ens33", "A/docker0"], ["A/docker0", "A/ens34"], 4001, nat=nat)
    connection(net, ["A/ens34", "A/docker0"], ["A/docker0", "A/ens34"], 4002, nat=nat)
    report = read(net, tmp_path)
    assert facts(report, "asymmetric-path") == [{"host": "A", "there": "A/ens33", "back": "A/ens34", "connections": 2}]
    (finding,) = [each for each in report["findings"] if each["name"] == "asymmetric-path"]
    assert finding["level"] == "warning"
    assert {each["point"] for each in finding["evidence"]} <= {"A/ens33", "A/docker0"}


def test_a_host_that_routes_from_card_to_card_is_symmetric(tmp_path: Path) -> None:
    net = Network(["A/ens33", "A/ens34"])
    for number in range(3):
        flags = SYN if number == 0 else ACK
        ask = tcp(f"{CLIENT}:4000 > 10.9.0.9:80", flags=flags, seq=10 + number, ident=number + 1)
        net.pass_by(("A/ens33", ask), ("A/ens34", ask.routed()))
        answer = tcp(f"10.9.0.9:80 > {CLIENT}:4000", flags=flags | ACK, seq=5 + number, ack=11, ident=number + 50)
        net.pass_by(("A/ens34", answer), ("A/ens33", answer.routed()))
    assert names(read(net, tmp_path)) == set()


def test_two_hosts_with_a_card_each_are_symmetric(tmp_path: Path) -> None:
    net = Network(WAY)
    for number in range(3):
        ask = ping(f"{C1} > {B}", 9, number, ident=number + 1)
        net.pass_by(("A/docker0", ask), *((point, ask.routed(src=A)) for point in WAY[1:]))
        answer = ping(f"{B} > {A}", 9, number, ident=number + 50, icmp=(0, 0))
        net.pass_by(*((point, answer) for point in WAY[:0:-1]), ("A/docker0", answer.routed(dst=C1)))
    assert names(read(net, tmp_path)) == set()
