"""A clue to a port that refuses: the RST comes from nearer than what accepts connections there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.refusers import connect
from tests.analysis.findings.reported import of_story
from tests.stories import ACK, RST, SYN, Network

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
