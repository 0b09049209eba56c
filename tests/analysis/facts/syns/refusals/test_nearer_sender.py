"""A clue to a port that refuses: the RST comes from nearer than what accepts connections there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.refusers import connect
from tests.analysis.findings.reported import of_story
from tests.stories import ACK, RST, SYN, Network, arp, tcp
from tests.story_reports import A, B

NAME = "connection-refused"


def test_refusal_from_nearer_is_told(tmp_path: Path) -> None:
    """The RST has TTL 64; what the server itself sends has passed a router (measured: REJECT with tcp-reset).

    A Docker host that refuses a port beside one that it publishes shows the same.
    """
    net = Network(["A/ens33"])
    connect(net, SYN | ACK, port=22, ttl=63)
    connect(net, RST | ACK, port=8080, ttl=64)
    (finding,) = of_story(net, tmp_path, NAME)
    assert (finding["facts"]["ttl"], finding["facts"]["usual_ttl"]) == (64, 63)
    assert "from a firewall or from 192.168.111.129 itself" in finding["says"]


@pytest.mark.parametrize(("accepts", "refuses"), [(64, 62), (63, 63), (64, 255), (63, 128)])
def test_refusal_from_elsewhere_is_silent(tmp_path: Path, accepts: int, refuses: int) -> None:
    """A backend farther away than the others, as behind kube-proxy; and another system's TTL, which tells nothing."""
    net = Network(["A/ens33"])
    connect(net, SYN | ACK, port=80, ttl=accepts)
    connect(net, RST | ACK, port=80, sport=40001, ttl=refuses)
    (finding,) = of_story(net, tmp_path, NAME)
    assert "ttl" not in finding["facts"] and "from nearer" not in finding["says"]


def test_far_firewall_that_refuses_is_told(tmp_path: Path) -> None:
    """The RST comes with a TTL that no hop less explains: a middlebox sends it."""
    net = Network(["A/ens33"])
    connect(net, SYN | ACK, sport=40000, ttl=50)
    connect(net, RST | ACK, sport=40001, ttl=62)
    (finding,) = of_story(net, tmp_path, NAME)
    assert "it comes from nearer, from a firewall" in finding["says"]


@pytest.mark.parametrize("is_gateway", [True, False])
def test_refusal_at_the_interface_of_the_server_itself_is_silent(tmp_path: Path, is_gateway: bool) -> None:
    """What it accepted was captured behind a router. Its own interface shows a refusal, and TTL 64, as a gateway's."""
    net = Network(["A/ens33", "A/app/eth0"])
    connect(net, SYN | ACK, port=22, ttl=63)
    mac = "02:00:00:00:00:07"
    net.at(net.now, "A/app/eth0", arp(2, mac, "192.168.111.1" if is_gateway else B, A, "02:00:00:00:00:08"))
    net.pass_by(("A/app/eth0", tcp(f"{A}:40001 > {B}:8080", seq=12_345, flags=SYN)), gap=1e6)
    net.pass_by(("A/app/eth0", tcp(f"{B}:8080 > {A}:40001", ack=12_346, flags=RST | ACK, smac=mac)), gap=1e6)
    (finding,) = of_story(net, tmp_path, NAME)
    assert ("from nearer" in finding["says"]) == is_gateway
