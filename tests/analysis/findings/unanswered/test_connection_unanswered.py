"""connection-unanswered: SYNs that nothing answers, and what else of the server is seen. Played with a real kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.callers import CARD_C, SECOND, V6_A, V6_B, Client
from tests.analysis.findings.reported import CARD_A, CARD_B, named
from tests.stories import ACK, RST, SYN, Network, Packet, about, arp, tcp, udp
from tests.story_reports import A, B, read

NAME = "connection-unanswered"


def test_silent_port_at_the_servers_interface_is_an_error(tmp_path: Path) -> None:
    """Two clients show whose interface it is."""
    played = Client()
    played.call(22, tries=1, answer=SYN | ACK)
    played.call(22, tries=1, answer=SYN | ACK, client="192.168.111.130", mac=CARD_C)
    played.call(8080)
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["is_at_server"]) == ("error", True)
    assert "the server's own interface" in finding["says"]


@pytest.mark.parametrize("ends", [(A, B), (V6_A, V6_B)], ids=["IPv4", "IPv6"])
def test_client_that_gives_up_early_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    """A health check with a time limit below 1 s: one SYN of each connection."""
    played = Client(ends=ends)
    played.call(22, tries=1, answer=SYN | ACK)
    for _ in range(3):
        played.call(8080, tries=1)
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (facts["answers"], facts["connections"], facts["attempts"]) == ("port", 3, 3)


@pytest.mark.parametrize(("connections", "pause"), [(2, 5.0), (6, 0.0)], ids=["two", "at once"])
def test_few_single_syns_are_silent(tmp_path: Path, connections: int, pause: float) -> None:
    """Two connections, or what a browser opens side by side."""
    played = Client()
    for _ in range(connections):
        played.call(tries=0)
        played.put(tcp(f"{A}:{played.port} > {B}:80", seq=7, flags=SYN, smac=CARD_A, dmac=CARD_B))
        played.net.now += pause * SECOND
    assert played.findings(tmp_path) == []


def test_single_syns_between_accepted_ones_are_silent(tmp_path: Path) -> None:
    """A server drops every third SYN: no three in a row."""
    played = Client()
    for number in range(12):
        played.call(tries=1, answer=None if number % 3 == 0 else SYN | ACK)
    assert played.findings(tmp_path) == []


def test_retransmissions_of_the_syns_are_explained(tmp_path: Path) -> None:
    played = Client()
    played.call()
    report = read(played.net, tmp_path)
    assert [finding["level"] for finding in named(report, "retransmissions")] == ["info"]


@pytest.mark.parametrize("answer", [SYN | ACK, RST | ACK], ids=["accepted late", "refused"])
def test_syn_that_is_answered_in_the_end_is_silent(tmp_path: Path, answer: int) -> None:
    played = Client()
    played.call(answer=answer)
    assert played.findings(tmp_path) == []


def test_syn_that_icmp_answers_is_silent(tmp_path: Path) -> None:
    played = Client()
    asked = played.call()
    played.put(about(Packet("icmp", "192.168.111.1", A, icmp=(3, 13)), asked))
    assert played.findings(tmp_path) == []


def test_single_syn_is_silent(tmp_path: Path) -> None:
    """Its answer may come after the capture."""
    played = Client()
    played.call(tries=1)
    assert played.findings(tmp_path) == []


def test_scan_is_silent(tmp_path: Path) -> None:
    played = Client()
    for port in range(1, 9):
        played.call(port, tries=2)
    assert played.findings(tmp_path) == []


def test_one_direction_of_a_connection_is_silent(tmp_path: Path) -> None:
    """The answers take another way: data follows the SYN."""
    played = Client()
    asked = played.call(tries=2)
    played.put(asked.but(flags=ACK, seq=8, ack=4, payload=b"GET / HTTP/1.0\r\n\r\n"))
    assert played.findings(tmp_path) == []


def test_datagrams_without_an_answer_are_silent(tmp_path: Path) -> None:
    played = Client()
    for _ in range(4):
        played.put(udp(f"{A}:40000 > {B}:514", b"log"))
        played.net.now += SECOND
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("is_found", [True, False], ids=["a host answers", "nothing answers"])
def test_scan_of_neighbours_is_silent(tmp_path: Path, is_found: bool) -> None:
    """A sweep of one port of a large network, as of a public capture (LeSam0/Tp-Reseau-b2); the last host answers."""
    played = Client()
    for number in range(60):
        played.server = f"192.168.{100 + number % 3}.{10 + number}"
        played.call(13337, tries=3, answer=RST | ACK if number % 5 == 0 else None)
    played.call(22, tries=1, answer=SYN | ACK if is_found else None)
    report = read(played.net, tmp_path)
    assert named(report, NAME) == named(report, "retransmissions") == []


def test_lost_way_to_many_servers_is_told(tmp_path: Path) -> None:
    """A browser asks dozens of servers; then its gateway forwards nothing any more. The printer still answers."""
    played = Client()
    for number in range(60):
        played.server = f"{20 + number}.13.14.15"
        played.call(443, tries=1 if number < 30 else 3, answer=SYN | ACK if number < 30 else None)
        if number % 10 == 0:
            played.server = "192.168.111.9"
            played.call(631, tries=1, answer=SYN | ACK, to=CARD_C)
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["connections"] == 30 and "which all 30 share" in finding["fix"]


@pytest.mark.parametrize("ttl", [64, 48], ids=["of this network", "from elsewhere"])
def test_client_of_addresses_that_are_all_silent_is_told(tmp_path: Path, ttl: int) -> None:
    """A host without a way out. A scanner of the Internet tries the addresses of a darknet: it has its way to here."""
    net = Network(["A/ens33"])
    for number in range(40):
        for at in (0, 1, 3):
            syn = tcp(
                f"203.0.113.77:{40000 + number} > 198.51.{number}.{number + 1}:23", seq=number, flags=SYN, ttl=ttl
            )
            net.at((number / 10 + at) * SECOND, "A/ens33", syn.but(ident=number * 3 + at + 1))
    assert [len(finding["facts"]) > 0 for finding in named(read(net, tmp_path), NAME)] == [True] * (ttl == 64)


@pytest.mark.parametrize("ttl", [60, 64], ids=["masqueraded", "its own"])
def test_router_that_asks_for_many_is_told(tmp_path: Path, ttl: int) -> None:
    """It asks for what a scanner behind it tries; what it masquerades for others is of no scan."""
    router, server = "192.168.1.1", "192.168.1.50"
    net = Network(["A/eth1"])
    for number in range(25):
        for at in range(3):
            asks = arp(1, "02:00:00:00:00:01", router, f"192.168.1.{100 + number}")
            net.at((number / 5 + at) * SECOND, "A/eth1", asks)
    for at in (0, 1, 3, 7):
        syn = tcp(f"{router}:6000 > {server}:81", seq=9, flags=SYN, ttl=ttl, ident=70 + at)
        net.at((10 + at) * SECOND, "A/eth1", syn)
    findings = named(read(net, tmp_path), NAME)
    assert [finding["facts"]["port"] for finding in findings] == [81] * (ttl == 60)


@pytest.mark.parametrize("others", [12, 4])
def test_scan_of_neighbouring_addresses_is_silent(tmp_path: Path, others: int) -> None:
    """One client tries the port of one address after the other; of a few servers, it says what is silent."""
    played = Client()
    for number in range(others):
        played.server = f"159.79.23.{60 + number}"
        played.call(21, tries=2)
    assert (played.findings(tmp_path) == []) is (others == 12)
