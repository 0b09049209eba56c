"""echo-unanswered: pings are filtered while TCP works."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import of_story
from tests.stories import ACK, SYN, Network, Packet, about, ping, tcp
from tests.story_reports import A, B

NAME = "echo-unanswered"
HERE, ROUTER = "A/ens33", "192.168.111.1"
V6_A, V6_B = "[fd00::128]", "[fd00::129]"
BOTH = [(A, B), (V6_A, V6_B)]


def connects(net: Network, client: str = A, server: str = B) -> None:
    net.pass_by((HERE, tcp(f"{client}:40000 > {server}:80", flags=SYN, seq=1, ident=1)))
    net.pass_by((HERE, tcp(f"{server}:80 > {client}:40000", flags=SYN | ACK, seq=9, ack=2, ttl=60, ident=2)))


def pings(net: Network, client: str = A, server: str = B, *, is_answered: bool = False, number: int = 7) -> None:
    own, other = client.strip("[]"), server.strip("[]")
    request, reply = ((128, 0), (129, 0)) if ":" in own else ((8, 0), (0, 0))
    for count in range(3):
        net.pass_by((HERE, ping(f"{own} > {other}", number, count, ident=100 + count, icmp=request)))
        if is_answered:
            net.pass_by((HERE, ping(f"{other} > {own}", number, count, ident=count, icmp=reply)))
        net.now += 1e6


@pytest.mark.parametrize(("client", "server"), BOTH, ids=["IPv4", "IPv6"])
def test_pings_of_a_server_that_accepts_connections_is_told(tmp_path: Path, client: str, server: str) -> None:
    net = Network([HERE])
    pings(net, client, server)
    connects(net, client, server)
    (finding,) = of_story(net, tmp_path, NAME)
    facts = finding["facts"]
    assert (finding["level"], facts["pings"], facts["port"]) == ("warning", 3, 80)
    assert facts["server"] == server.strip("[]")


def test_answered_pings_is_silent(tmp_path: Path) -> None:
    """Another run of the same client is answered: the first one was lost, or the server has started."""
    net = Network([HERE])
    pings(net)
    pings(net, is_answered=True, number=8)
    connects(net)
    assert of_story(net, tmp_path, NAME) == []


def test_server_that_answers_nothing_is_silent(tmp_path: Path) -> None:
    net = Network([HERE])
    pings(net)
    assert of_story(net, tmp_path, NAME) == []


def test_connections_a_minute_later_is_silent(tmp_path: Path) -> None:
    """It may have started since."""
    net = Network([HERE])
    pings(net)
    net.now += 60e6
    connects(net)
    assert of_story(net, tmp_path, NAME) == []


def test_pings_that_a_router_refuses_is_silent(tmp_path: Path) -> None:
    net = Network([HERE])
    pings(net)
    net.pass_by((HERE, about(Packet("icmp", ROUTER, A, icmp=(3, 13)), ping(f"{A} > {B}", 7, 0, ident=100))))
    connects(net)
    assert of_story(net, tmp_path, NAME) == []


@pytest.mark.parametrize(
    ("sizes", "mtu", "is_told"),
    [((1400,), 1280, False), ((56, 1400), 1280, True), ((1400,), 0, True)],
    ids=["too large", "one is small", "no MTU is named"],
)
def test_pings_that_are_too_large_is_silent(tmp_path: Path, sizes: tuple[int, ...], mtu: int, is_told: bool) -> None:
    """A router says so, and that it is no other fault is known of those larger than the MTU alone."""
    net = Network([HERE])
    for count in range(4):
        request = ping(f"{A} > {B}", 7, count, payload=bytes(sizes[count % len(sizes)]), ident=100 + count)
        net.pass_by((HERE, request), gap=1e6)
    net.pass_by((HERE, Packet("icmp", ROUTER, A, icmp=(3, 4), payload=request.ip()[:28], seq=mtu)))
    connects(net)
    assert len(of_story(net, tmp_path, NAME)) == is_told
