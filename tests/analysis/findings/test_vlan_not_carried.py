"""vlan-not-carried: questions with a VLAN tag at the card of one host, and none of them at the card of another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, named, of_story
from tests.stories import ACK, SYN, Network, arp, solicit, tcp
from tests.story_reports import A, B, read

POINTS = ["A/ens33", "B/ens33", "B/ens33.10"]
CHILD, CHILD_MAC, TARGET = "10.10.0.2", "02:42:0a:0a:00:02", "10.10.0.3"
V6_CHILD, V6_TARGET = "fd00:a::2", "fd00:a::3"
TAG = bytes((0x81, 0, 0, 10))
SECOND = 1e6  # µs


def tagged(frame: bytes) -> bytes:
    """The frame with the tag of VLAN 10 (IEEE 802.1Q)."""
    return frame[:12] + TAG + frame[12:]


def hosts_talk(net: Network, number: int) -> None:
    """A connection of the hosts themselves, without a tag, and ARP before it."""
    for point in POINTS[:2]:
        net.at(net.now, point, arp(1, CARD_A, A, B))
        net.at(net.now + 10, point, arp(2, CARD_B, B, A, CARD_A))
    there, back = f"{A}:{4000 + number} > {B}:80", f"{B}:80 > {A}:{4000 + number}"
    for flags in (SYN, ACK):
        sent = tcp(there, flags=flags, seq=number * 100 + flags, ident=number * 10 + flags, smac=CARD_A, dmac=CARD_B)
        net.pass_by(("A/ens33", sent), ("B/ens33", sent))
        answer = tcp(back, flags=flags | ACK, seq=number * 70, ack=number, ident=500 + number * 10 + flags)
        net.pass_by(*((point, answer.but(smac=CARD_B, dmac=CARD_A)) for point in ("B/ens33", "A/ens33")))


def asked(*points: str, nd: bool = False, has_vlan: bool = True) -> Network:
    """Three rounds: the hosts talk, and a child of A with the tag asks at these points."""
    net = Network(POINTS[: 3 if has_vlan else 2])
    for number in range(3):
        hosts_talk(net, number)
        if nd:
            frame = solicit(CHILD_MAC, V6_CHILD, V6_TARGET).frame()
            hello = solicit(CARD_A, "fd00:111::80", "fd00:111::81")
            net.pass_by(("A/ens33", hello), ("B/ens33", hello))
        else:
            frame = arp(1, CHILD_MAC, CHILD, TARGET)
        for point in points:
            net.at(net.now, point, tagged(frame))
        net.now += SECOND
    return net


def missing(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "vlan-not-carried")


@pytest.mark.parametrize("nd", [False, True])
def test_tag_that_does_not_come_to_the_other_host_is_told(tmp_path: Path, nd: bool) -> None:
    report = read(asked("A/ens33", nd=nd), tmp_path)
    (finding,) = named(report, "vlan-not-carried")
    assert finding["facts"]["vlan"] == 10 and finding["facts"]["questions"] == 3
    assert (finding["facts"]["point"], finding["facts"]["other"]) == ("A/ens33", "B/ens33")
    assert finding["facts"]["targets"] == [V6_TARGET if nd else TARGET]
    assert not any(CHILD in each["says"] for each in named(report, "arp-unanswered"))


def test_tag_that_comes_to_the_other_host_is_silent(tmp_path: Path) -> None:
    """The switch carries the VLAN; nobody has the address."""
    assert missing(asked("A/ens33", "B/ens33"), tmp_path) == []


def test_host_without_the_vlan_is_silent(tmp_path: Path) -> None:
    """Its switch port need not carry it."""
    assert missing(asked("A/ens33", has_vlan=False), tmp_path) == []


def test_answered_question_is_silent(tmp_path: Path) -> None:
    net = asked("A/ens33")
    net.at(net.now, "A/ens33", tagged(arp(2, "02:42:0a:0a:00:03", TARGET, CHILD, CHILD_MAC)))
    assert missing(net, tmp_path) == []


def test_other_frames_of_the_vlan_that_pass_is_silent(tmp_path: Path) -> None:
    net = asked("A/ens33")
    hello = tcp(f"{CHILD}:5000 > {TARGET}:80", flags=SYN, ident=9000, smac=CHILD_MAC, dmac="02:42:0a:0a:00:03", vlan=10)
    net.pass_by(("A/ens33", hello), ("B/ens33", hello))
    assert missing(net, tmp_path) == []


def test_point_that_shows_no_arp_is_silent(tmp_path: Path) -> None:
    """The other card was captured with a filter that leaves ARP out."""
    net = asked("A/ens33")
    net.recorded = [each for each in net.recorded if each[1] != "B/ens33" or not isinstance(each[2], bytes)]
    assert missing(net, tmp_path) == []
