"""A clue to a port that refuses: Docker publishes it for another container."""

from __future__ import annotations

from pathlib import Path

from capnet.topology import Endpoint, PublishedPort
from tests.analysis.findings.reported import Findings, of_story, two_hosts
from tests.stories import ACK, RST, SYN, Network, tcp
from tests.story_reports import A, B

NAME = "connection-refused"


def translated(folder: Path, publisher: str) -> Findings:
    """A rule leads port 8080 of A to 172.17.0.2, which refuses; Docker publishes it for a container at `publisher`."""
    topology = two_hosts()
    topology.containers[0].ports = [PublishedPort("tcp", "0.0.0.0", 8080, 80)]
    topology.containers[0].endpoints = [Endpoint("bridge", "eth0", None, [f"{publisher}/16"])]
    net = Network(["A/ens33", "A/docker0"])
    for sport in (40000, 40001):
        asked = tcp(f"{B}:{sport} > {A}:8080", seq=sport * 7, flags=SYN)
        answer = tcp(f"172.17.0.2:80 > {B}:{sport}", seq=0, ack=sport * 7 + 1, flags=RST | ACK)
        net.pass_by(("A/ens33", asked), ("A/docker0", asked.routed(dst="172.17.0.2", dport=80)), gap=1e6)
        net.pass_by(("A/docker0", answer), ("A/ens33", answer.routed(src=A, sport=8080)), gap=1e6)
    return of_story(net, folder, NAME, topology)


def test_rule_that_leads_a_port_to_another_container_is_told(tmp_path: Path) -> None:
    """A rule of a container that is gone stands before Docker's, and another container has its address now."""
    (finding,) = translated(tmp_path, "172.17.0.9")
    assert "Docker on A publishes it for web (172.17.0.9:80), not for 172.17.0.2" in finding["says"]
    assert "delete the one that leads port 8080 to 172.17.0.2" in finding["fix"]


def test_rule_of_the_container_that_refuses_is_silent(tmp_path: Path) -> None:
    (finding,) = translated(tmp_path, "172.17.0.2")
    assert "Docker on A publishes it" not in finding["says"] and "delete" not in finding["fix"]
