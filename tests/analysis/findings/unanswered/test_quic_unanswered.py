"""quic-unanswered: UDP 443 is not answered by a server that answers by TCP."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import named, of_story
from tests.stories import ACK, SYN, Network, Packet, about, ping, tcp, udp
from tests.story_reports import read

NAME = "quic-unanswered"
V4, V6 = ("10.2.0.2", "10.1.0.2"), ("[fd02::2]", "[fd01::2]")
HERE = "c/eth0"
INITIAL = bytes([0xC3]) + bytes(1249)


def connects(net: Network, client: str, server: str, port: int = 443) -> None:
    net.pass_by((HERE, tcp(f"{client}:40000 > {server}:{port}", flags=SYN, seq=1, ident=1)))
    net.pass_by((HERE, tcp(f"{server}:{port} > {client}:40000", flags=SYN | ACK, seq=9, ack=2, ttl=60, ident=2)))


def datagram(client: str, server: str, number: int, payload: bytes = INITIAL) -> Packet:
    return udp(f"{client}:50000 > {server}:443", payload + bytes([number]), ident=100 + number)


def asks(net: Network, client: str, server: str, payload: bytes = INITIAL, count: int = 4) -> None:
    for number in range(count):
        net.pass_by((HERE, datagram(client, server, number, payload)), gap=3e5 * 2**number)


@pytest.mark.parametrize("hosts", [V4, V6], ids=["IPv4", "IPv6"])
def test_first_datagrams_without_an_answer_is_told(tmp_path: Path, hosts: tuple[str, str]) -> None:
    net = Network([HERE])
    asks(net, *hosts)
    connects(net, *hosts)
    report = read(net, tmp_path)
    (finding,) = named(report, NAME)
    facts = finding["facts"]
    assert finding["level"] == "warning" and facts["servers"] == [hosts[1].strip("[]")]
    assert (facts["datagrams"], facts["points"]) == (4, [HERE])


def test_answered_datagrams_is_silent(tmp_path: Path) -> None:
    net = Network([HERE])
    asks(net, *V4, count=3)
    net.pass_by((HERE, udp(f"{V4[1]}:443 > {V4[0]}:50000", INITIAL, ident=7, ttl=60)))
    connects(net, *V4)
    assert of_story(net, tmp_path, NAME) == []


def test_server_that_does_not_answer_by_tcp_is_silent(tmp_path: Path) -> None:
    """It may be down, or unreachable: UDP is not what is special. Another port of it answers."""
    net = Network([HERE])
    asks(net, *V4)
    net.pass_by((HERE, tcp(f"{V4[0]}:40001 > {V4[1]}:443", flags=SYN, seq=1, ident=1)))
    connects(net, *V4, port=80)
    assert of_story(net, tmp_path, NAME) == []


def test_large_datagrams_to_another_port_is_silent(tmp_path: Path) -> None:
    """As of a tunnel, or of a measurement."""
    net = Network([HERE])
    for number in range(4):
        asked = datagram(*V4, number)
        net.pass_by((HERE, asked.but(dport=5001)), gap=3e5 * 2**number)
    connects(net, *V4)
    assert of_story(net, tmp_path, NAME) == []


def test_short_datagrams_is_silent(tmp_path: Path) -> None:
    """A tunnel on port 443: a client of QUIC sends nothing below 1200 bytes before it is answered."""
    net = Network([HERE])
    asks(net, *V4, payload=bytes(147))
    connects(net, *V4)
    assert of_story(net, tmp_path, NAME) == []


def test_stream_in_one_direction_is_silent(tmp_path: Path) -> None:
    net = Network([HERE])
    for number in range(80):
        net.pass_by((HERE, datagram(*V4, number)), gap=2e4)
    connects(net, *V4)
    assert of_story(net, tmp_path, NAME) == []


def test_one_flight_at_the_end_of_the_capture_is_silent(tmp_path: Path) -> None:
    net = Network([HERE])
    connects(net, *V4)
    for number in range(3):
        net.pass_by((HERE, datagram(*V4, number)), gap=100)
    assert of_story(net, tmp_path, NAME) == []


def test_refused_datagrams_is_silent(tmp_path: Path) -> None:
    net = Network([HERE])
    for number in range(3):
        asked = datagram(*V4, number)
        net.pass_by((HERE, asked), gap=10)
        net.pass_by((HERE, about(ping(f"{V4[1]} > {V4[0]}", 0, 0, icmp=(3, 3), ident=number), asked)), gap=4e5)
    connects(net, *V4)
    assert of_story(net, tmp_path, NAME) == []
