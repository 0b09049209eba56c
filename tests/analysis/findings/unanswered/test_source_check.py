"""source-check: what a host forwards does not arrive at the next host, and what is its own does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, named, of_story
from tests.stories import ACK, SYN, Network, Packet, ping, tcp
from tests.story_reports import A, B, read

POINTS = ["A/web/eth0", "A/ens33", "B/ens33"]
WEB, DB, WEB_MAC = "10.244.1.2", "10.244.2.2", "02:42:0a:f4:01:02"
V6 = ("fd00:1::2", "fd00:2::2", "fd00:111::80", "fd00:111::81")
V4 = (WEB, DB, A, B)


def routed(packet: Packet) -> Packet:
    return packet.routed(smac=CARD_A, dmac=CARD_B)


def forwarded(net: Network, packet: Packet, *, arrives: bool = False) -> None:
    sent = routed(packet)
    hops = [("A/web/eth0", packet), ("A/ens33", sent), ("B/ens33", sent)]
    net.pass_by(*hops[: 3 if arrives else 2], gap=1e6)


def own(net: Network, port: int, ends: tuple[str, str] = (A, B), *, arrives: bool = True) -> None:
    """A connection of the host itself."""
    there, back = (f"{_at(ends[0])}:{port} > {_at(ends[1])}:80", f"{_at(ends[1])}:80 > {_at(ends[0])}:{port}")
    for number, flags in enumerate((SYN, ACK) if arrives else (SYN, SYN)):
        packet = tcp(there, flags=flags, seq=port * 9 + number, ident=port + number, smac=CARD_A, dmac=CARD_B)
        net.pass_by(("A/ens33", packet), *([("B/ens33", packet)] if arrives else []), gap=1e6)
        answer = tcp(
            back, flags=flags | ACK, seq=port * 7 + number, ack=port, ident=port + 9 + number, smac=CARD_B, dmac=CARD_A
        )
        if arrives:
            net.pass_by(("B/ens33", answer), ("A/ens33", answer))


def _at(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def checked(ends: tuple[str, ...] = V4, *, pods_arrive: bool = False, own_arrives: bool = True) -> Network:
    """Echo requests of a pod to another one, among connections of the hosts, and of a third one with B."""
    net, kind = Network(POINTS), 128 if ":" in ends[0] else 8
    for number in range(4):
        request = ping(f"{ends[0]} > {ends[1]}", 7, number, ident=number, smac=WEB_MAC, icmp=(kind, 0))
        forwarded(net, request, arrives=pods_arrive)
        own(net, 5000 + number, ends[2:], arrives=own_arrives or number % 2 == 0)
        other = ping(f"{ends[3]} > {ends[2][:-1]}9", 9, number, ident=90 + number, smac=CARD_B, icmp=(kind, 0))
        net.pass_by(("B/ens33", other))
    return net


def of_check(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "source-check")


@pytest.mark.parametrize("ends", [V4, V6])
def test_forwarded_packets_that_do_not_arrive_is_told(tmp_path: Path, ends: tuple[str, ...]) -> None:
    report = read(checked(ends), tmp_path)
    (finding,) = named(report, "source-check")
    assert (finding["facts"]["point"], finding["facts"]["next"]) == ("A/ens33", "B/ens33")
    assert finding["facts"]["sources"] == [ends[0]] and finding["facts"]["packets"] == 4
    assert finding["level"] == "warning" and "4 flows of the host's own address" in finding["says"]


def test_forwarded_packets_that_arrive_is_silent(tmp_path: Path) -> None:
    assert of_check(checked(pods_arrive=True), tmp_path) == []


def test_packets_of_the_host_lost_too_is_silent(tmp_path: Path) -> None:
    """What is lost has nothing to do with its source."""
    assert of_check(checked(own_arrives=False), tmp_path) == []


def test_another_pod_that_arrives_is_silent(tmp_path: Path) -> None:
    net = checked()
    for number in range(2):
        request = ping(f"10.244.1.3 > {DB}", 8, number, ident=50 + number, smac=WEB_MAC)
        forwarded(net, request, arrives=True)
    assert of_check(net, tmp_path) == []


def test_next_host_that_was_not_captured_is_silent(tmp_path: Path) -> None:
    net = checked()
    net.points = POINTS[:2]
    net.recorded = [each for each in net.recorded if each[1] != "B/ens33"]
    assert of_check(net, tmp_path) == []
