"""paused-container: connections to a container that Docker has paused."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Container, Endpoint, Topology
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, PSH, SYN, Network, tcp

POINT = "A/docker0"
ENDS = ("172.17.0.3", "172.17.0.2")
V6 = ("[fd00::3]", "[fd00::2]")


def asked(folder: Path, state: str | None, ends: tuple[str, str] = ENDS, answer: bytes = b"") -> Findings:
    """A connection to db that its kernel accepts, and a request that it acknowledges; `answer`: what db says."""
    client, server = ends
    there, back = f"{client}:40000 > {server}:5432", f"{server}:5432 > {client}:40000"
    net = Network([POINT])
    for packet in (
        tcp(there, flags=SYN, seq=100),
        tcp(back, flags=SYN | ACK, seq=500, ack=101),
        tcp(there, flags=ACK, seq=101, ack=501),
        tcp(there, b"query", flags=PSH | ACK, seq=101, ack=501),
        tcp(back, answer, flags=ACK, seq=501, ack=106),
    ):
        net.at(net.now, POINT, packet)
        net.now += 1e5
    endpoint = Endpoint("bridge", "eth0", None, ["172.17.0.2/16", "fd00::2/64"])
    db = Container("A", "db", "1", "i", "bridge", [endpoint], state=state)
    return of_story(net, folder, "paused-container", Topology(containers=[db]))


@pytest.mark.parametrize("ends", [ENDS, V6])
def test_request_to_a_paused_container_is_told(ends: tuple[str, str], tmp_path: Path) -> None:
    (finding,) = asked(tmp_path, "paused", ends)
    assert (finding["level"], finding["facts"]["flows"], finding["fix"]) == ("error", 1, "`docker unpause db`")


def test_container_that_answers_is_silent(tmp_path: Path) -> None:
    """It has gone on since the topology was made."""
    assert asked(tmp_path, "paused", answer=b"rows") == []


@pytest.mark.parametrize("state", [None, "restarting"])
def test_silent_container_that_runs_is_silent(state: str | None, tmp_path: Path) -> None:
    assert asked(tmp_path, state) == []
