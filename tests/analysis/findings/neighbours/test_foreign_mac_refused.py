"""foreign-mac-refused: a macvlan container behind a switch port that knows the card's own MAC only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, of_story
from tests.stories import Network, Packet, advertise, arp, ping, solicit
from tests.story_reports import A, B, read

NAME = "foreign-mac-refused"
CHILD, CHILD_MAC = "192.168.111.10", "02:42:c0:a8:6f:0a"
POINTS = ["A/m1/eth0", "A/ens33", "B/ens33"]
SENT, WIRE = 10.0, 60.0  # µs from the child to its card, and from card to card


def host_is_answered(net: Network) -> None:
    """A and B ask for each other's MAC and ping each other."""
    for frame, way in (
        (arp(1, CARD_A, A, B), ("A/ens33", "B/ens33")),
        (arp(2, CARD_B, B, A, to=CARD_A), ("B/ens33", "A/ens33")),
    ):
        cross(net, frame, *way)
    for number in range(3):
        cross(net, ping(f"{A} > {B}", 5, number, ident=number, smac=CARD_A, dmac=CARD_B), "A/ens33", "B/ens33")
        answer = ping(f"{B} > {A}", 5, number, ident=number, smac=CARD_B, dmac=CARD_A, icmp=(0, 0))
        cross(net, answer, "B/ens33", "A/ens33")
    net.now += 1e6


def cross(net: Network, frame: Packet | bytes, *way: str) -> None:
    """A frame from point to point, as far as they are captured."""
    for number, point in enumerate(way):
        if point in net.points:
            net.at(net.now + number * WIRE, point, frame)
    net.now += 1000


def ask(
    net: Network, question: Packet | bytes, answer: Packet | bytes, *, delivered: str = "", out: bool = True
) -> None:
    """The child asks three times by A's card. B answers; `delivered`: the point that gets it too."""
    for _ in range(3):
        for time, point in ((0.0, "A/m1/eth0"), (SENT, "A/ens33"), (SENT + WIRE, "B/ens33")):
            if point in net.points and (out or point != "B/ens33"):
                net.at(net.now + time, point, question)
        for point in ("B/ens33", delivered):
            if point in net.points and out:
                net.at(net.now + 100 + WIRE * (point == delivered), point, answer)
        net.now += 1e6


def of_child(folder: Path, points: list[str] = POINTS, **more: Any) -> list[dict[str, Any]]:
    net = Network(points)
    host_is_answered(net)
    ask(net, arp(1, CHILD_MAC, CHILD, B), arp(2, CARD_B, B, CHILD, to=CHILD_MAC), **more)
    host_is_answered(net)
    return of_story(net, folder, NAME)


@pytest.mark.parametrize("points", [POINTS, POINTS[1:]], ids=["with the child", "two cards"])
def test_answers_that_do_not_reach_the_card_is_told(tmp_path: Path, points: list[str]) -> None:
    (finding,) = of_child(tmp_path, points)
    assert finding["level"] == "error"
    assert finding["says"] == (
        f"3 unicast frames to {CHILD_MAC} ({CHILD}) left B/ens33, and none reached A/ens33, though frames to the "
        f"card's own MAC {CARD_A} do, and its broadcasts come out: the switch port of A/ens33 accepts one MAC only"
    )
    assert {frame["point"] for frame in finding["evidence"]} >= {"A/ens33", "B/ens33"}


def test_delays_known_by_answers_alone_is_told(tmp_path: Path) -> None:
    """The capture begins late: A and B do no more than ask for each other's MAC once."""
    net = Network(POINTS)
    ask(net, arp(1, CHILD_MAC, CHILD, B), arp(2, CARD_B, B, CHILD, to=CHILD_MAC))
    to_a = bytes.fromhex(CARD_A.replace(":", "")) + arp(1, CARD_B, B, A)[6:]  # a probe of the known MAC
    cross(net, to_a, "B/ens33", "A/ens33")
    cross(net, arp(2, CARD_A, A, B, to=CARD_B), "A/ens33", "B/ens33")
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["own"] == CARD_A


def test_ipv6_advertisements_that_do_not_arrive_is_told(tmp_path: Path) -> None:
    """And pings of B to the container, which it knows from its questions."""
    net = Network(POINTS)
    child, peer = "2001:db8::a", "2001:db8::20"
    host_is_answered(net)
    ask(net, solicit(CHILD_MAC, child, peer), advertise(CARD_B, peer, child, to=CHILD_MAC))
    for number in range(3):
        asked = Packet("icmp", peer, child, icmp=(128, 0), echo=9, seq=number, smac=CARD_B, dmac=CHILD_MAC)
        cross(net, asked, "B/ens33")
    (finding,) = of_story(net, tmp_path, NAME)
    assert (finding["facts"]["address"], finding["facts"]["refuses"]) == (child, "in")
    assert finding["facts"]["frames"] == 3 + 3


@pytest.mark.parametrize("pings", [3, 0])
def test_third_station_that_a_switch_floods_later_is_silent(tmp_path: Path, pings: int) -> None:
    """A switch in software hands a broadcast to one port after the other; what it answers goes by no other card."""
    net = Network(POINTS[1:])
    host_is_answered(net)
    ask(net, arp(1, CHILD_MAC, CHILD, B), arp(2, CARD_B, B, CHILD, to=CHILD_MAC))
    for number in range(pings):
        cross(net, ping(f"{CHILD} > {B}", 6, number, ident=number, smac=CHILD_MAC, dmac=CARD_B), "B/ens33")
    host_is_answered(net)
    assert bool(of_story(net, tmp_path, NAME)) == (not pings)  # by ARP alone, the two cannot be told apart


def test_questions_that_do_not_leave_the_card_is_told(tmp_path: Path) -> None:
    """Forged transmits are refused: B hears the host, and nothing of its container."""
    (finding,) = of_child(tmp_path, out=False)
    assert finding["level"] == "error"
    assert finding["says"].startswith(f"3 frames of {CHILD_MAC} ({CHILD}) left A/ens33, and none reached B/ens33")


def test_host_alone_whose_child_gets_no_answer_is_told(tmp_path: Path) -> None:
    """Nothing beyond the port was captured: a warning."""
    (finding,) = of_child(tmp_path, ["A/m1/eth0", "A/ens33"])
    assert finding["level"] == "warning"
    assert finding["says"] == (
        f"{CHILD_MAC} ({CHILD}) asked 3 times by A/ens33, and no answer came, though {B} answers {CARD_A} there: the "
        "switch port of A/ens33 seems to accept one MAC only"
    )


def test_symptoms_of_the_refusing_port_are_left_out(tmp_path: Path) -> None:
    net = Network(POINTS)
    host_is_answered(net)
    ask(net, arp(1, CHILD_MAC, CHILD, B), arp(2, CARD_B, B, CHILD, to=CHILD_MAC))
    for number in range(3):
        cross(net, ping(f"{B} > {CHILD}", 6, number, ident=number, smac=CARD_B, dmac=CHILD_MAC), "B/ens33")
    host_is_answered(net)
    assert [finding["name"] for finding in read(net, tmp_path)["findings"]] == [NAME]


def test_child_that_gets_its_answers_is_silent(tmp_path: Path) -> None:
    assert of_child(tmp_path, delivered="A/ens33") == []


@pytest.mark.parametrize("later", [-20.0, 0.0, 35.0])
def test_child_of_a_third_host_is_silent(tmp_path: Path, later: float) -> None:
    """Its broadcasts reach both cards one after the other, and the answers of B take another way."""
    net = Network(["A/ens33", "B/ens33"])
    host_is_answered(net)
    for _ in range(3):
        for point, time in (("A/ens33", 60.0), ("B/ens33", 60.0 + later)):
            net.at(net.now + time, point, arp(1, CHILD_MAC, CHILD, B))
        net.at(net.now + 90, "B/ens33", arp(2, CARD_B, B, CHILD, to=CHILD_MAC))
        net.now += 1e6
    host_is_answered(net)
    assert of_story(net, tmp_path, NAME) == []


def test_child_that_asks_for_nobody_is_silent(tmp_path: Path) -> None:
    """The address that it asks for is down, for the host too."""
    net = Network(["A/m1/eth0", "A/ens33"])
    host_is_answered(net)
    ask(net, arp(1, CHILD_MAC, CHILD, "192.168.111.77"), b"", out=False)
    host_is_answered(net)
    assert of_story(net, tmp_path, NAME) == []


def test_other_host_that_listened_later_is_silent(tmp_path: Path) -> None:
    """B's capture begins after the questions: it says nothing about them."""
    net = Network(["A/m1/eth0", "A/ens33", "B/ens33"])
    ask(net, arp(1, CHILD_MAC, CHILD, "192.168.111.77"), b"", out=False)
    host_is_answered(net)
    assert of_story(net, tmp_path, NAME) == []
