"""exposed-port: a published port that answers the Internet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import of_story, two_hosts
from tests.stories import ACK, RST, SYN, Network, tcp, udp
from tests.story_reports import A

NAME = "exposed-port"


def connection(net: Network, client: str, port: int = 8080, *, is_answered: bool = True) -> None:
    net.at(net.now, "A/ens33", tcp(f"{client}:40000 > {A}:{port}", flags=SYN, seq=9))
    if is_answered:
        net.at(net.now + 90, "A/ens33", tcp(f"{A}:{port} > {client}:40000", flags=SYN | ACK, seq=5, ack=10))
    net.now += 1e6


def test_published_port_that_answers_the_internet_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for client in ("100.128.0.7", "100.128.0.8", "192.168.111.9"):
        connection(net, client)
    (finding,) = of_story(net, tmp_path, NAME, two_hosts())
    assert finding["says"] == "port 8080/tcp of A, which leads to web, answers 2 addresses of the Internet"
    assert finding["facts"]["sources"] == ["100.128.0.7", "100.128.0.8"]
    assert "`-p 127.0.0.1:8080:80`" in finding["fix"] and finding["level"] == "info"


@pytest.mark.parametrize("client", ["192.168.50.7", "127.0.0.1", "100.64.0.9"])
def test_client_of_a_private_network_is_silent(tmp_path: Path, client: str) -> None:
    net = Network(["A/ens33"])
    connection(net, client)
    assert of_story(net, tmp_path, NAME, two_hosts()) == []


@pytest.mark.parametrize("port", [22, 8080])
def test_port_that_is_not_published_or_not_answered_is_silent(tmp_path: Path, port: int) -> None:
    net = Network(["A/ens33"])
    connection(net, "100.128.0.7", port, is_answered=port == 22)
    assert of_story(net, tmp_path, NAME, two_hosts()) == []


def test_other_protocol_and_capture_without_topology_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    net.at(net.now, "A/ens33", udp(f"100.128.0.7:40000 > {A}:8080", b"question"))
    net.at(net.now + 90, "A/ens33", udp(f"{A}:8080 > 100.128.0.7:40000", b"answer"))
    assert of_story(net, tmp_path, NAME, two_hosts()) == []
    net = Network(["A/ens33"])
    connection(net, "100.128.0.7")
    assert of_story(net, tmp_path, NAME) == []


def test_port_that_refuses_the_internet_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    connection(net, "100.128.0.7", is_answered=False)
    net.at(net.now, "A/ens33", tcp(f"{A}:8080 > 100.128.0.7:40000", flags=RST | ACK, ack=10))
    assert of_story(net, tmp_path, NAME, two_hosts()) == []
