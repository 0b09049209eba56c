"""subnet-overlap: clients whose answers go to a bridge instead of back to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, of_story
from tests.stories import ACK, RST, SYN, Network, Packet, advertise, arp, solicit, tcp, udp
from tests.story_reports import C1, C2, A, B, read

NAME = "subnet-overlap"
ROUTER, BRIDGE, WEB = "00:50:56:c0:00:08", "02:42:9c:1d:00:80", "02:42:ac:11:00:02"
CLIENT = "172.17.5.20"
SYN_OUTSIDE = tcp(f"{CLIENT}:45107 > {A}:8080", flags=SYN, seq=3319482978, tsval=1, ttl=63, smac=ROUTER, dmac=CARD_A)


def inside(packet: Packet, to: str = C1, **more: object) -> Packet:
    """The packet behind the host's translation, on docker0."""
    return packet.routed(ends=f"{packet.src}:{packet.sport} > {to}:80", smac=BRIDGE, dmac=WEB, **more)


def connect(
    net: Network, packet: Packet, lookup: bytes | Packet, point: str = "A/docker0", answer: bytes | None = None
) -> None:
    """SYNs a second apart, each followed by a question for the client on docker0."""
    for number in range(4):
        syn = packet.but(ident=number, tsval=number)
        net.pass_by(*((at, inside(syn) if at == "A/docker0" else syn) for at in net.points))
        for frame in (lookup, answer):
            if frame is not None:
                net.at(net.now, point, frame)
        net.now += 1e6


def of_connections(
    folder: Path, packet: Packet, lookup: bytes | Packet, points: tuple[str, ...] = ("A/ens33", "A/docker0")
) -> list[dict[str, object]]:
    net = Network(list(points))
    connect(net, packet, lookup)
    return of_story(net, folder, NAME)


def test_client_looked_for_on_the_bridge_is_told(tmp_path: Path) -> None:
    """The container looks for its client, as its network says that the client is on docker0."""
    (finding,) = of_connections(tmp_path, SYN_OUTSIDE, arp(1, WEB, C1, CLIENT))
    assert finding["level"] == "error"
    assert finding["says"] == (
        f"packets of {CLIENT} come in at A/ens33, but {C1} asked for that address on A/docker0 4 times in vain: its "
        "network overlaps with the one of A/docker0, and answers to it never leave"
    )
    assert finding["facts"] == {
        "clients": [CLIENT], "askers": [C1], "requests": 4, "point": "A/docker0", "arrivals": ["A/ens33"],
    }  # fmt: skip


def test_host_that_looks_on_its_bridge_is_told(tmp_path: Path) -> None:
    """A port of the host itself: its own answer goes to docker0."""
    net = Network(["A/ens33", "A/docker0"])
    for number in range(4):
        net.at(net.now, "A/ens33", SYN_OUTSIDE.but(dport=22, ident=number, tsval=number))
        net.at(net.now + 50, "A/docker0", arp(1, BRIDGE, A, CLIENT))
        net.now += 1e6
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["askers"] == [A] and finding["facts"]["arrivals"] == ["A/ens33"]


def test_client_by_a_router_at_the_bridge_alone_is_told(tmp_path: Path) -> None:
    (finding,) = of_connections(tmp_path, SYN_OUTSIDE, arp(1, WEB, C1, CLIENT), ("A/docker0",))
    assert "come in at A/docker0 by a router, but" in str(finding["says"])


def test_ipv6_client_looked_for_on_the_bridge_is_told(tmp_path: Path) -> None:
    packet = SYN_OUTSIDE.but(ends="[fd00:17::5:20]:45107 > [fd00:1::80]:8080")
    net = Network(["A/ens33", "A/docker0"])
    for number in range(4):
        syn = packet.but(tsval=number)
        web = syn.routed(ends="[fd00:17::5:20]:45107 > [fd00:17::2]:80", smac=BRIDGE, dmac=WEB)
        net.pass_by(("A/ens33", syn), ("A/docker0", web))
        net.at(net.now, "A/docker0", solicit(WEB, "fd00:17::2", "fd00:17::5:20"))
        net.now += 1e6
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["clients"] == ["fd00:17::5:20"]


def test_symptoms_of_an_overlap_are_left_out(tmp_path: Path) -> None:
    net = Network(["A/ens33", "A/docker0"])
    connect(net, SYN_OUTSIDE, arp(1, WEB, C1, CLIENT))
    assert [finding["name"] for finding in read(net, tmp_path)["findings"] if finding["level"] != "info"] == [NAME]


@pytest.mark.parametrize("target", [C2, CLIENT], ids=["another one", "it answers"])
def test_lookup_that_says_nothing_of_the_client_is_silent(tmp_path: Path, target: str) -> None:
    """A question for a container that is down beside a client that nobody serves; a client that is on the bridge."""
    net = Network(["A/ens33", "A/docker0"])
    answer = arp(2, "02:42:ac:11:05:14", target, C1, to=WEB) if target == CLIENT else None
    connect(net, SYN_OUTSIDE, arp(1, WEB, C1, target), answer=answer)
    assert of_story(net, tmp_path, NAME) == []


def test_served_client_is_silent(tmp_path: Path) -> None:
    """Somebody asked for its address on docker0 before there was a route."""
    net = Network(["A/ens33", "A/docker0"])
    for number in range(3):
        net.at(net.now + number * 1e6, "A/docker0", arp(1, WEB, C1, CLIENT))
    net.now += 5e6
    answer = tcp(f"{C1}:80 > {CLIENT}:45107", flags=SYN | ACK, ack=SYN_OUTSIDE.seq + 1, smac=WEB, dmac=BRIDGE)
    net.pass_by(("A/ens33", SYN_OUTSIDE), ("A/docker0", inside(SYN_OUTSIDE)))
    net.pass_by(("A/docker0", answer), ("A/ens33", answer.routed(src=A, sport=8080, smac=CARD_A, dmac=ROUTER)))
    assert of_story(net, tmp_path, NAME) == []


def test_container_of_the_same_bridge_is_silent(tmp_path: Path) -> None:
    """It asked and was asked for on docker0 itself, and then went down."""
    net = Network(["A/docker0"])
    net.at(0, "A/docker0", arp(1, "02:42:ac:11:05:14", CLIENT, C1))
    syn = tcp(f"{CLIENT}:45107 > {C1}:80", flags=SYN, smac="02:42:ac:11:05:14", dmac=WEB)
    for number in range(4):
        net.at(net.now + 50, "A/docker0", syn.but(ident=number))
        net.at(net.now + 99, "A/docker0", arp(1, WEB, C1, CLIENT))
        net.now += 1e6
    assert of_story(net, tmp_path, NAME) == []


def test_same_networks_of_two_hosts_is_silent(tmp_path: Path) -> None:
    """172.17.0.3 is down on A, and up on B, whose docker0 has the same addresses."""
    net = Network(["A/docker0", "B/docker0"])
    for number in range(4):
        net.at(net.now, "A/docker0", arp(1, WEB, C1, C2))
        net.at(net.now + 9, "B/docker0", tcp(f"{C2}:5000 > {B}:80", flags=SYN, ident=number, smac=CARD_B, dmac=BRIDGE))
        net.now += 1e6
    assert of_story(net, tmp_path, NAME) == []


def test_prefix_behind_a_host_of_the_link_is_silent(tmp_path: Path) -> None:
    """On a card it is neighbour-unanswered: the host does not answer for its containers."""
    net = Network(["A/ens33"])
    container, peer = "2001:db8::ff:2", "2001:db8::20"
    for number in range(4):
        asked = Packet("icmp", container, peer, icmp=(128, 0), echo=7, seq=number, ttl=63, smac=CARD_A, dmac=CARD_B)
        net.at(net.now, "A/ens33", asked)
        net.at(net.now + 30, "A/ens33", solicit(CARD_B, peer, container))
        net.now += 1e6
    net.at(net.now, "A/ens33", advertise(CARD_A, "2001:db8::10", peer, to=CARD_B))
    assert of_story(net, tmp_path, NAME) == []


def test_point_where_packets_come_in_is_that_of_the_host(tmp_path: Path) -> None:
    """The client's own interface was captured too: its packets begin there, and come in by the router."""
    net = Network(["far/eth0", "A/m1/eth0"])
    asked = tcp("192.168.50.5:40000 > 192.168.111.10:80", flags=SYN, seq=1, smac=CARD_B, dmac="02:00:00:00:00:fe")
    for number in range(4):
        asked = asked.but(ident=number + 1)
        come = asked.routed(smac="02:00:00:00:00:01", dmac=CARD_A)
        net.pass_by(("far/eth0", asked), ("A/m1/eth0", come), gap=20)
        net.at(net.now + 50, "A/m1/eth0", arp(1, CARD_A, "192.168.111.10", "192.168.50.5"))
        net.now += 1.02e6
    (finding,) = of_story(net, tmp_path, "subnet-overlap")
    assert finding["facts"]["arrivals"] == ["A/m1/eth0"] and "by a router" in finding["says"]


NAME_SERVER = "172.17.0.53"


def covered(*asked_at: str, card: str = "A/ens33", answers: bool = True) -> Network:
    """A container asks in vain for a name server of its network, which the host reaches by its card."""
    net = Network(["A/docker0", card])
    for number in range(4):
        for point in asked_at:
            net.at(net.now, point, arp(1, WEB, C1, NAME_SERVER))
        web = tcp(f"{C1}:4{number}00 > {B}:80", flags=SYN, seq=number, ident=number, smac=WEB, dmac=BRIDGE)
        outside = web.routed(ends=f"{A}:4{number}00 > {B}:80", smac=CARD_A, dmac=CARD_B)
        refusal = tcp(f"{B}:80 > {A}:4{number}00", flags=RST | ACK, ack=number + 1, smac=CARD_B, dmac=CARD_A)
        net.pass_by(("A/docker0", web), (card, outside))
        net.pass_by((card, refusal), ("A/docker0", refusal.routed(ends=f"{B}:80 > {C1}:4{number}00", dmac=WEB)))
        question = udp(f"{A}:5{number}00 > {NAME_SERVER}:53", b"name?", ident=number, smac=CARD_A, dmac=ROUTER)
        net.pass_by((card, question))
        if answers:
            answer = udp(f"{NAME_SERVER}:53 > {A}:5{number}00", b"1.2.3.4", ident=number, smac=ROUTER, dmac=CARD_A)
            net.pass_by((card, answer))
        net.now += 1e6
    return net


def test_address_that_answers_the_host_elsewhere_is_told(tmp_path: Path) -> None:
    report = read(covered("A/docker0"), tmp_path)
    (finding,) = [each for each in report["findings"] if each["name"] == NAME]
    assert finding["level"] == "error"
    assert finding["facts"] == {
        "clients": [NAME_SERVER], "askers": [C1], "requests": 4, "point": "A/docker0", "arrivals": ["A/ens33"],
    }  # fmt: skip
    assert not any(each["name"] == "arp-unanswered" for each in report["findings"])


def test_address_on_the_same_link_is_silent(tmp_path: Path) -> None:
    """The question goes out by the card as well: the card is a port of the bridge."""
    assert of_story(covered("A/docker0", "A/ens33"), tmp_path, NAME) == []


def test_address_that_answers_another_host_is_silent(tmp_path: Path) -> None:
    """Hosts use the same private networks."""
    assert of_story(covered("A/docker0", card="B/ens33"), tmp_path, NAME) == []


def test_address_that_answers_nobody_is_silent(tmp_path: Path) -> None:
    assert of_story(covered("A/docker0", answers=False), tmp_path, NAME) == []


def test_question_at_several_points_of_a_host_is_told_once(tmp_path: Path) -> None:
    """The container's interface, its veth and the bridge show the same question: one cause, told of the bridge."""
    net = Network(["A/ens33", "A/docker0", "A/veth1", "A/web/eth0"])
    for number in range(4):
        syn = SYN_OUTSIDE.but(ident=number, tsval=number)
        net.pass_by(("A/ens33", syn), *((point, inside(syn)) for point in net.points[1:]))
        for point in net.points[1:]:
            net.at(net.now, point, arp(1, WEB, C1, CLIENT))
        net.now += 1e6
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["point"] == "A/docker0"
    assert {frame["point"] for frame in finding["evidence"]} == set(net.points)
