"""A clue to a port that refuses: Docker publishes it at another address."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import PublishedPort
from tests.analysis.findings.reported import Findings, of_story, two_hosts
from tests.stories import ACK, RST, SYN, Network, tcp
from tests.story_reports import A, B

NAME = "connection-refused"


def published(folder: Path, bound: str, port: int = 8080, proto: str = "tcp") -> Findings:
    """`-p BOUND:PORT:80`, and a client that asks port 8080 of the host's own address."""
    topology = two_hosts()
    topology.containers[0].ports = [PublishedPort(proto, bound, port, 80)]
    net = Network(["A/ens33"])
    net.pass_by(("A/ens33", tcp(f"{B}:40000 > {A}:8080", seq=1, flags=SYN)))
    net.pass_by(("A/ens33", tcp(f"{A}:8080 > {B}:40000", ack=2, flags=RST | ACK)))
    return of_story(net, folder, NAME, topology)


def test_port_published_at_another_address_is_told(tmp_path: Path) -> None:
    (finding,) = published(tmp_path, "127.0.0.1")
    assert "127.0.0.1:8080 alone publishes it, for container web" in finding["says"]
    assert "`-p 8080:80` in place of `-p 127.0.0.1:8080:80`" in finding["fix"]


@pytest.mark.parametrize(
    ("bound", "port", "proto"),
    [("0.0.0.0", 8080, "tcp"), (A, 8080, "tcp"), ("127.0.0.1", 8081, "tcp"), ("127.0.0.1", 8080, "udp")],
)
def test_port_published_at_this_address_is_silent(tmp_path: Path, bound: str, port: int, proto: str) -> None:
    """Or another port of the other address."""
    (finding,) = published(tmp_path, bound, port, proto)
    assert "alone publishes it" not in finding["says"] and "in place of" not in finding["fix"]
