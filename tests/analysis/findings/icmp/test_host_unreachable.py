"""host-unreachable: routers that say so about other hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_B, Findings, named, of_capture, of_story
from tests.stories import ACK, SYN, Network, Packet, about, arp, ping, tcp
from tests.story_reports import C1, A, B, read

NAME = "host-unreachable"
POINT, ROUTER, ROUTER_MAC = "B/ens33", "192.168.111.1", "00:50:56:c0:00:08"


def refused(
    net: Network, destination: str, *, after: float = 3e6, code: int = 1, times: int = 3, answered: bool = False
) -> None:
    """Pings, one a second; the router says `after` µs later that it does not reach the destination."""
    begin = net.now
    for number in range(times):
        asked = ping(f"{B} > {destination}", 7, number, ident=number, smac=CARD_B, dmac=ROUTER_MAC)
        error = Packet("icmp", ROUTER, B, icmp=(3, code), smac=ROUTER_MAC, dmac=CARD_B)
        net.at(begin + number * 1e6, POINT, asked)
        net.at(begin + number + max(after, number * 1e6 + 40), POINT, about(error, asked))
    net.now = begin + times * 1e6 + after
    if answered:
        asked = ping(f"{B} > {destination}", 8, 1, smac=CARD_B, dmac=ROUTER_MAC)
        net.at(net.now, POINT, asked)
        net.at(net.now + 90, POINT, asked.but(src=destination, dst=B, icmp=(0, 0), smac=ROUTER_MAC, dmac=CARD_B))


def test_host_that_nobody_answers_for_is_told(tmp_path: Path) -> None:
    net = Network([POINT])
    refused(net, "10.9.0.77")
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "warning"
    assert finding["says"] == (
        f"{ROUTER} cannot reach 10.9.0.77, as it says seconds after the packets, when no ARP or neighbor answer came: "
        f"3 messages to {B}"
    )
    assert finding["facts"]["unresolved"] and not finding["facts"]["no_route"]


def test_message_about_its_own_address_is_told(tmp_path: Path) -> None:
    """A rule rejects at once, or translates: that a host does not reach itself would be no help."""
    net = Network([POINT])
    refused(net, ROUTER, after=40.0)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["says"].startswith(f"{ROUTER} answers {B} 'host unreachable' about packets to itself 3 times")
    assert f"look for the rule on {ROUTER}" in finding["fix"] and "cannot reach" not in finding["says"]


def test_next_hop_that_does_not_answer_is_told(tmp_path: Path) -> None:
    """The router asks for another router, at its other interface: the destination may well be up."""
    net = Network([POINT, "R/ens33"])
    for number in range(3):
        net.at(20 + number * 1e6, "R/ens33", arp(1, ROUTER_MAC, ROUTER, "192.168.111.254"))
    refused(net, "10.9.0.77")
    (finding,) = of_story(net, tmp_path, NAME)
    assert "when no answer came from 192.168.111.254, to which it sends these packets" in finding["says"]
    assert "`ip rule`" in finding["fix"]


def next_hop_of_some(folder: Path, asked_after: float | None) -> Findings:
    """Another client gets answers later; the router asks for another router so many µs after the first ping."""
    net = Network([POINT, "R/ens33"])
    for number in range(3 if asked_after is not None else 0):
        at = net.now + (asked_after or 0) + number * 1e6
        net.at(at, "R/ens33", arp(1, ROUTER_MAC, ROUTER, "192.168.111.254"))
    net.now += 2e6
    refused(net, "10.9.0.77")
    other = "192.168.111.140"
    asked = ping(f"{other} > 10.9.0.77", 8, 1, smac=CARD_B, dmac=ROUTER_MAC)
    net.at(net.now, POINT, asked)
    net.at(net.now + 90, POINT, asked.but(src="10.9.0.77", dst=other, icmp=(0, 0), smac=ROUTER_MAC, dmac=CARD_B))
    return of_story(net, folder, NAME)


def test_next_hop_of_some_packets_is_told(tmp_path: Path) -> None:
    (finding,) = next_hop_of_some(tmp_path, 2e6 + 20)
    assert finding["says"].endswith("10.9.0.77 answers others: these packets alone go by 192.168.111.254")


@pytest.mark.parametrize("asked_after", [None, 0, 2.5e6], ids=["not asked", "before the packets", "later"])
def test_destination_that_answers_others_later_is_silent(tmp_path: Path, asked_after: float | None) -> None:
    """It may have come up since. What the router asks for at another time is another matter."""
    assert next_hop_of_some(tmp_path, asked_after) == []


def test_network_without_a_route_is_told(tmp_path: Path) -> None:
    net = Network([POINT])
    refused(net, "10.77.0.1", after=40.0, code=0)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["says"] == f"{ROUTER} cannot reach 10.77.0.1, it has no route: 3 messages to {B}"


def test_ipv6_host_that_nobody_answers_for_is_told(tmp_path: Path) -> None:
    net = Network([POINT])
    for number in range(3):
        asked = Packet("icmp", "2001:db8:1::5", "2001:db8:2::77", icmp=(128, 0), echo=7, seq=number)
        error = Packet("icmp", "2001:db8:1::1", "2001:db8:1::5", icmp=(1, 3), payload=asked.ip()[:60])
        net.at(number * 1e6, POINT, asked)
        net.at(3.1e6 + number, POINT, error)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["destinations"] == ["2001:db8:2::77"] and finding["facts"]["messages"] == 3


def test_ipv6_network_without_a_route_is_told(tmp_path: Path) -> None:
    """Docker made the host a router, and its route came from a router advertisement."""
    net = Network([POINT])
    for number in range(3):
        asked = Packet("icmp", "fd00:d0c::2", "2001:db8:fe::1", icmp=(128, 0), echo=7, seq=number)
        error = Packet("icmp", "fd00:d0c::1", "fd00:d0c::2", icmp=(1, 0), payload=asked.ip()[:60])
        net.at(number * 1e6, POINT, asked)
        net.at(number * 1e6 + 40, POINT, error)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["no_route"] and "accept_ra" in finding["fix"]


def test_own_loopback_that_is_sent_on_is_told(tmp_path: Path) -> None:
    """A rule sends connections to 127.0.0.1 on to a container; the loopback shows the host's own complaint."""
    net = Network(["A/lo"])
    for number in range(3):
        asked = tcp("127.0.0.1:40000 > 127.0.0.1:8080", flags=SYN, seq=7, ident=number)
        net.at(number * 1e6, "A/lo", about(Packet("icmp", "127.0.0.1", "127.0.0.1", icmp=(3, 1)), asked))
    (finding,) = of_story(net, tmp_path, NAME)
    assert "sends these connections on to another address" in finding["fix"]


def test_scan_through_a_router_is_told(tmp_path: Path) -> None:
    """As an info: the one who scans looks for whoever is there."""
    net = Network([POINT])
    for number in range(9):
        refused(net, f"10.9.0.{number + 70}", times=1)
    (finding,) = of_story(net, tmp_path, NAME)
    assert (finding["level"], finding["facts"]["addresses"]) == ("info", 9)


@pytest.mark.parametrize("code", [0, 1])
def test_destination_that_answers_later_is_silent(tmp_path: Path, code: int) -> None:
    net = Network([POINT])
    refused(net, "10.9.0.77", code=code, answered=True)
    assert of_story(net, tmp_path, NAME) == []


def test_single_message_is_silent(tmp_path: Path) -> None:
    net = Network([POINT])
    refused(net, "10.9.0.77", times=1)
    assert of_story(net, tmp_path, NAME) == []


def test_router_of_ipvlan_that_gets_a_route_is_silent() -> None:
    assert of_capture("pcaps/ipvlan-l3.pcapng", NAME) == []


def test_address_behind_nat_elsewhere_is_told(tmp_path: Path) -> None:
    """Another network has the same private address: it answers behind A's DNAT, and B's router has no route."""
    net, other = Network([POINT, "A/ens33", "A/docker0"]), "192.168.111.130"
    for number in range(8):
        ask = tcp(f"{other}:5555 > {A}:21", b"PASV", seq=4 * number, ack=9 * number, ident=number + 1)
        answer = tcp(f"{C1}:21 > {other}:5555", b"227 (...)", seq=9 * number, ack=4 * number + 4, ident=number + 70)
        net.pass_by(("A/ens33", ask), ("A/docker0", ask.routed(dst=C1)))
        net.pass_by(("A/docker0", answer), ("A/ens33", answer.routed(src=A)))
        if number in (2, 5):
            syn = tcp(f"{B}:{6000 + number} > {C1}:21100", seq=7, flags=SYN, ident=200, smac=CARD_B, dmac=ROUTER_MAC)
            error = Packet("icmp", ROUTER, B, icmp=(3, 0), smac=ROUTER_MAC, dmac=CARD_B)
            net.pass_by((POINT, syn))
            net.pass_by((POINT, about(error, syn)))
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["says"] == f"{ROUTER} cannot reach {C1}, it has no route: 2 messages to {B}"


def test_answer_without_a_way_back_is_silent(tmp_path: Path) -> None:
    """The host has no route to the client: it says so to its container about each SYN-ACK.

    `handshake-unfinished` tells it.
    """
    net = Network(["A/docker0"])
    for number in range(3):
        net.now = number * 1e6
        syn = tcp(f"10.9.0.5:5555 > {C1}:80", seq=6, flags=SYN, ident=number + 1)
        answer = tcp(f"{C1}:80 > 10.9.0.5:5555", seq=1, ack=7, flags=SYN | ACK)
        error = Packet("icmp", "172.17.0.1", C1, icmp=(3, 0))
        for packet in (syn, answer, about(error, answer)):
            net.pass_by(("A/docker0", packet))
    (finding,) = of_story(net, tmp_path, "handshake-unfinished")
    assert "172.17.0.1 rejects the answers: 'network unreachable', 3 messages" in finding["says"]
    assert of_story(net, tmp_path, NAME) == []


@pytest.mark.parametrize(("after", "is_at_once"), [(40.0, True), (5e5, False), (3e6, False)])
def test_message_that_comes_at_once_is_told(tmp_path: Path, after: float, is_at_once: bool) -> None:
    """A route of type unreachable, as no question for a MAC ends so soon; half a second is not clear."""
    net = Network([POINT])
    refused(net, "10.9.0.77", after=after)
    (finding,) = of_story(net, tmp_path, NAME)
    assert ("at once" in finding["says"]) == ("type unreachable" in finding["fix"]) == is_at_once


def test_message_of_packets_before_the_capture_is_silent(tmp_path: Path) -> None:
    """The router asked for the MAC before the capture began: the last SYN before its messages waited for a moment."""
    net = Network([POINT])
    syns = [
        tcp(f"{B}:{40000 + number} > 10.9.0.77:9100", flags=SYN, smac=CARD_B, dmac=ROUTER_MAC) for number in range(3)
    ]
    net.pass_by((POINT, syns[-1]), gap=7e4)
    for syn in syns:
        net.pass_by((POINT, about(Packet("icmp", ROUTER, B, icmp=(3, 1), smac=ROUTER_MAC, dmac=CARD_B), syn)), gap=20)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["says"] == f"{ROUTER} cannot reach 10.9.0.77: 3 messages to {B}"


@pytest.mark.parametrize("syns", [1, 3])
def test_message_that_ends_a_connection_is_told(tmp_path: Path, syns: int) -> None:
    """IPv6 says so once for all SYNs. One SYN may be a scan's."""
    net = Network([POINT])
    ends = "[2001:db8:1::5]:40000 > [2001:db8:2::77]:80"
    for number in range(syns):
        net.at(number * 1e6, POINT, tcp(ends, flags=SYN, seq=5, ident=number))
    error = Packet("icmp", "2001:db8:1::1", "2001:db8:1::5", icmp=(1, 3))
    net.at(3.1e6, POINT, error.but(payload=tcp(ends, flags=SYN, seq=5).ip()[:60]))
    assert len(of_story(net, tmp_path, NAME)) == (syns > 1)


@pytest.mark.parametrize("asks_itself", [True, False])
def test_host_that_tells_its_own_program_is_silent(tmp_path: Path, asks_itself: bool) -> None:
    """At its loopback, when ARP at its interface had no answer: `arp-unanswered` names the host that is missing."""
    net = Network(["A/m1/eth0", "A/m1/lo"])
    own, target, mac = "192.168.111.50", "192.168.111.77", "06:11:00:00:00:0a"
    for number in range(3):
        net.at(number * 1e6, "A/m1/eth0", arp(1, mac, own if asks_itself else "192.168.111.51", target))
    lost = tcp(f"{own}:40000 > {target}:80", flags=SYN, seq=7)
    for number in range(2):
        net.at(
            3e6 + number * 1e6, "A/m1/lo", about(Packet("icmp", own, own, icmp=(3, 1), smac="00:00:00:00:00:00"), lost)
        )
    report = read(net, tmp_path)
    assert bool(named(report, NAME)) != asks_itself
    assert bool(named(report, "arp-unanswered"))
