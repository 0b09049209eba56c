"""A clue to a port that refuses: answers came from behind the address before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.refusers import V6_A, V6_B, connect
from tests.analysis.findings.reported import of_story
from tests.stories import ACK, RST, SYN, Network, tcp
from tests.story_reports import A, B

NAME = "connection-refused"


@pytest.mark.parametrize("ends", [(A, B), (V6_A, V6_B)], ids=["IPv4", "IPv6"])
def test_port_forwarded_before_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    """Docker's rules are flushed: the host itself answers where its container did (played with a real kernel)."""
    net = Network(["A/ens33"])
    connect(net, SYN | ACK, ttl=63, ends=ends)
    for sport in (40001, 40002):
        connect(net, RST | ACK, sport=sport, ends=ends)
    (finding,) = of_story(net, tmp_path, NAME)
    assert "now it answers itself" in finding["says"] and "from nearer" not in finding["says"]
    assert (finding["facts"]["ttl"], finding["facts"]["usual_ttl"], finding["facts"]["backend"]) == (64, 63, None)


def test_port_translated_before_names_its_backend(tmp_path: Path) -> None:
    net = Network(["A/ens33", "A/docker0"])
    asked = tcp(f"{A}:40000 > {B}:8080", seq=12_345, flags=SYN)
    answer = tcp("172.17.0.2:80 > 192.168.111.128:40000", seq=9, ack=12_346, flags=SYN | ACK).but(dst=A)
    net.pass_by(("A/ens33", asked), ("A/docker0", asked.routed(dst="172.17.0.2", dport=80)), gap=1e6)
    net.pass_by(("A/docker0", answer), ("A/ens33", answer.routed(src=B, sport=8080)), gap=1e6)
    connect(net, RST | ACK, sport=40001)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["backend"] == "172.17.0.2:80" and "(172.17.0.2:80)" in finding["says"]


@pytest.mark.parametrize("ttl", [64, 62])
def test_port_that_answers_from_as_far_is_silent(tmp_path: Path, ttl: int) -> None:
    """The host answered before, too; or what refuses is two hops nearer, and no host that forwarded once."""
    net = Network(["A/ens33"])
    connect(net, SYN | ACK, ttl=ttl)
    connect(net, RST | ACK, sport=40001)
    (finding,) = of_story(net, tmp_path, NAME)
    assert "now it answers itself" not in finding["says"] and "backend" not in finding["facts"]
