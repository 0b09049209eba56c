"""multicast-not-carried: frames to groups, or to all, that a switch holds back. Played with a real bridge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from capnet import analyze, render
from capnet.analysis.fact_tables.fact_list import FactList
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story
from tests.stories import Network, arp, ping, udp
from tests.story_reports import A, B
from tests.wire.test_group_membership import frame, record, report

NAME = "multicast-not-carried"
BOTH = ("A/ens33", "B/ens33")
GROUPS = {A: ("239.1.2.3", "01:00:5e:01:02:03"), "fd00::128": ("ff05::1:3", "33:33:00:01:00:03")}


def network(sender: str = A, receiver: str = B) -> Network:
    """Unicast of A reaches B and is answered, by ping, UDP and ARP: both points capture whatever passes."""
    net = Network(list(BOTH))
    for number in range(2):
        asked = ping(f"{sender} > {receiver}", 7, number, smac=CARD_A, dmac=CARD_B, ident=number + 1)
        answer = ping(f"{receiver} > {sender}", 7, number, icmp=(0, 0), smac=CARD_B, dmac=CARD_A, ident=number + 9)
        net.pass_by(*((point, asked) for point in BOTH))
        net.pass_by(*((point, answer) for point in BOTH[::-1]))
    ends = f"[{sender}]:5 > [{receiver}]:6" if ":" in sender else f"{sender}:5 > {receiver}:6"
    net.pass_by(*((point, udp(ends, b"log", smac=CARD_A, dmac=CARD_B, ident=50)) for point in BOTH))
    net.pass_by(*((point, arp(1, CARD_A, A, B)) for point in BOTH))
    return net


def announce(net: Network, points: tuple[str, ...], sender: str = A, *, times: int = 5, group: str = "") -> None:
    """Datagrams to a group, one a second."""
    address, mac = GROUPS[sender]
    ends = f"[{sender}]:4000 > [{address}]:5000" if ":" in sender else f"{sender}:4000 > {group or address}:5000"
    for number in range(times):
        packet = udp(ends, b"here", smac=CARD_A, dmac=mac, ident=100 + number, ttl=4)
        net.pass_by(*((point, packet) for point in points))
        net.now += 1e6


def requests(folder: Path, *, held: int, more: int = 2) -> Findings:
    """ARP requests of which the first ones do not get on, then unicast that does."""
    net = Network(list(BOTH))
    net.pass_by(*((point, arp(2, CARD_B, B, A, to=CARD_A)) for point in BOTH))
    for number in range(held + more):
        points = BOTH if number >= held else BOTH[:1]
        for point in points:
            net.at(net.now, point, arp(1, CARD_A, A, B))
        net.now += 1e6
    packet = ping(f"{A} > {B}", 7, 1, smac=CARD_A, dmac=CARD_B, ident=1)
    net.pass_by(*((point, packet) for point in BOTH))
    return of_story(net, folder, NAME)


def go_on(net: Network) -> Network:
    """Both points record still."""
    asked = ping(f"{A} > {B}", 9, 1, smac=CARD_A, dmac=CARD_B, ident=900)
    answer = ping(f"{B} > {A}", 9, 1, icmp=(0, 0), smac=CARD_B, dmac=CARD_A, ident=901)
    net.pass_by(*((point, asked) for point in BOTH))
    net.pass_by(*((point, answer) for point in BOTH[::-1]))
    return net


def told(net: Network, folder: Path) -> Findings:
    return of_story(go_on(net), folder, NAME)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("point", BOTH)
def test_group_that_a_host_there_joined_is_a_warning(tmp_path: Path, version: int, point: str) -> None:
    """By IGMPv3 or MLDv2. A member at the sender's own link says nothing of the other one."""
    ends = (A, B) if version == 4 else ("fd00::128", "fd00::129")
    net = network(*ends)
    joins = record(4, GROUPS[ends[0]][0])
    net.pass_by((point, frame(report(0x22 if version == 4 else 143, joins), version)))
    announce(net, BOTH[:1], ends[0])
    (finding,) = [each for each in told(net, tmp_path) if each["facts"].get("group") == GROUPS[ends[0]][0]]
    member = "10.0.1.2" if version == 4 else "fe80::1"
    is_there = point == "B/ens33"
    assert finding["level"] == ("warning" if is_there else "info")
    assert finding["facts"].get("members") == ([member] if is_there else None)
    assert (f"and {member} joined the group there" in finding["says"]) == is_there


@pytest.mark.parametrize("ends", [(A, B), ("fd00::128", "fd00::129")], ids=["IPv4", "IPv6"])
def test_group_that_does_not_get_on_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    net = network(*ends)
    announce(net, BOTH[:1], ends[0])
    (finding,) = told(net, tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["group"], facts["packets"]) == ("info", GROUPS[ends[0]][0], 5)
    assert (facts["point"], facts["next"]) == BOTH


def test_headline_names_the_group_that_is_missing(tmp_path: Path) -> None:
    net = network()
    announce(net, BOTH[:1])
    page = render(analyze(go_on(net).write(tmp_path)), "table")
    assert "but for multicast to 239.1.2.3" in " ".join(page.split())


def test_headline_counts_groups_if_they_are_many(tmp_path: Path) -> None:
    """Of more than twenty findings of one name one remains, which names no group."""
    net = network()
    announce(net, BOTH[:1])
    analyzed = analyze(go_on(net).write(tmp_path))
    (finding,) = [each for each in analyzed.findings if each.name == NAME]
    many = replace(finding, facts={"findings": 25, "examples": ["one"]})
    page = render(replace(analyzed, findings=FactList("findings", [many])), "table")
    assert "but for multicast to 25 groups" in " ".join(page.split())


def test_requests_held_back_for_seconds_is_told(tmp_path: Path) -> None:
    """A port of a bridge with spanning tree forwards nothing at first."""
    (finding,) = requests(tmp_path, held=6)
    assert (finding["level"], finding["facts"]["requests"]) == ("warning", 6)
    assert "after 6.0 s" in finding["says"] and "spanning tree" in finding["fix"]


def test_requests_that_never_get_on_is_told(tmp_path: Path) -> None:
    (finding,) = requests(tmp_path, held=5, more=0)
    assert "none reaches B/ens33" in finding["says"] and "storm control" in finding["fix"]


def test_group_that_gets_on_is_silent(tmp_path: Path) -> None:
    net = network()
    announce(net, BOTH)
    assert told(net, tmp_path) == []


def test_group_sent_after_the_last_frame_of_a_point_is_silent(tmp_path: Path) -> None:
    """Nothing shows that it was captured there so long."""
    net = network()
    announce(net, BOTH[:1])
    assert of_story(net, tmp_path, NAME) == []


def test_group_of_the_link_alone_is_silent(tmp_path: Path) -> None:
    """224.0.0.251, multicast DNS, is what every host sends."""
    net = network()
    announce(net, BOTH[:1], group="224.0.0.251")
    assert told(net, tmp_path) == []


def test_single_packets_to_a_group_are_silent(tmp_path: Path) -> None:
    net = network()
    announce(net, BOTH[:1], times=2)
    assert told(net, tmp_path) == []


def test_requests_that_all_arrive_are_silent(tmp_path: Path) -> None:
    assert requests(tmp_path, held=0, more=6) == []


def test_point_of_another_network_is_silent(tmp_path: Path) -> None:
    """A router between has MACs of its own: groups stay on their link."""
    net = Network(list(BOTH))
    for number in range(3):
        packet = ping(f"{A} > {B}", 7, number, smac=CARD_A, dmac="02:00:00:00:00:fe", ident=number + 1)
        come = packet.routed(smac="02:00:00:00:00:ff", dmac=CARD_B)
        net.pass_by(("A/ens33", packet), ("B/ens33", come))
    announce(net, BOTH[:1])
    assert of_story(net, tmp_path, NAME) == []


def test_filtered_point_is_silent(tmp_path: Path) -> None:
    """`tcpdump icmp` at B shows no datagram at all."""
    net = Network(list(BOTH))
    for number in range(3):
        packet = ping(f"{A} > {B}", 7, number, smac=CARD_A, dmac=CARD_B, ident=number + 1)
        net.pass_by(*((point, packet) for point in BOTH))
    announce(net, BOTH[:1])
    assert told(net, tmp_path) == []
