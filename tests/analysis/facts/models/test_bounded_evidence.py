"""The evidence of a model stays readable, however many containers there are."""

from __future__ import annotations

from pathlib import Path

from capnet.analysis.engine import analyze
from capnet.topology import Container, Endpoint, Topology
from tests.analysis.facts.models.stations import B_MAC, BRIDGE_MAC, HOST, HOST_MAC, B, docker_mac
from tests.stories import ACK, SYN, tcp
from tests.stories import Network as Story

CONTAINERS = 300
MAX_SENTENCE = 300  # characters: three lines of a terminal
MAX_SENTENCES = 24  # as many as there are pieces of evidence


def test_sentences_on_hundreds_of_containers_are_short(tmp_path: Path) -> None:
    """Each asks a server outside; Docker knows all of them."""
    ips = [f"172.17.{number // 200}.{number % 200 + 2}" for number in range(CONTAINERS)]
    story = Story(["A/docker0", "A/ens33"])
    for number, ip in enumerate(ips):
        out = tcp(f"{ip}:{5000 + number} > {B}:80", seq=9000 + number, flags=SYN, ident=number + 1)
        out = out.but(smac=docker_mac(ip), dmac=BRIDGE_MAC)
        outside = out.routed(src=HOST, smac=HOST_MAC, dmac=B_MAC)
        story.pass_by(("A/docker0", out), ("A/ens33", outside))
        back = tcp(f"{B}:80 > {HOST}:{5000 + number}", seq=70000 + number, ack=9001 + number, flags=SYN | ACK)
        story.pass_by(("A/ens33", back), ("A/docker0", back.routed(dst=ip, smac=BRIDGE_MAC, dmac=docker_mac(ip))))
    containers = [
        Container(
            "A", f"web{number}", str(number), "", "bridge", [Endpoint("bridge", "eth0", docker_mac(ip), [f"{ip}/16"])]
        )
        for number, ip in enumerate(ips)
    ]
    report = analyze(story.write(tmp_path), Topology(containers=containers)).to_dict()
    bridge = next(model for model in report["models"] if model["model"] == "bridge")
    assert len(bridge["because"]) <= MAX_SENTENCES
    assert max(map(len, bridge["because"])) <= MAX_SENTENCE
    assert max(len(row["because"]) for row in report["macs"]) <= MAX_SENTENCE
