"""A clue to SYNs without an answer: other nodes accept their client on the same NodePort."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.callers import Client
from tests.stories import ACK, SYN
from tests.story_reports import A


@pytest.mark.parametrize(("port", "is_named"), [(32204, True), (8080, False)])
def test_other_node_of_a_node_port_is_told(tmp_path: Path, port: int, is_named: bool) -> None:
    """Another address accepts the client on the same port; only NodePorts are one service on each node."""
    played = Client()
    other = Client(ends=(A, "192.168.111.130"))
    other.net = played.net
    other.call(port, tries=1, answer=SYN | ACK)
    other.port, played.port = 42000, 41000
    played.call(port)
    other.call(port, tries=1, answer=SYN | ACK)
    (finding,) = played.findings(tmp_path)
    assert ("192.168.111.130 accepts connections to the same port" in finding["says"]) is is_named
    assert ("externalTrafficPolicy" in finding["fix"]) is is_named


def test_peers_of_the_internet_is_silent(tmp_path: Path) -> None:
    """Programs that talk with peers use such ports, too."""
    played = Client(ends=(A, "5.1.83.226"))
    other = Client(ends=(A, "3.209.45.79"))
    other.net, other.port = played.net, 42000
    other.call(30303, tries=1, answer=SYN | ACK)
    played.call(30303)
    (finding,) = played.findings(tmp_path)
    assert "externalTrafficPolicy" not in finding["fix"] and "3.209.45.79" not in finding["says"]
