"""source-port-collision: two containers that leave from the same port."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, tcp
from tests.story_reports import C1, C2, A, B


def connections(folder: Path, second_port: int, translated_port: int) -> Findings:
    """The findings about C1 from port 5555, and C2 from `second_port` that leaves by `translated_port`."""
    net = Network(["A/docker0", "A/ens33"])
    for number in range(3):
        for client, port, outer in ((C1, 5555, 5555), (C2, second_port, translated_port)):
            packet = tcp(f"{client}:{port} > {B}:7000", b"%d" % number, seq=port + number, ident=number + outer)
            net.pass_by(("A/docker0", packet), ("A/ens33", packet.routed(src=A, sport=outer)))
    return of_story(net, folder, "source-port-collision")


def test_equal_ports_of_two_containers_is_told(tmp_path: Path) -> None:
    (finding,) = connections(tmp_path, 5555, 31_000)
    assert finding["level"] == "info"
    assert finding["facts"] == {"proto": "tcp", "address": A, "rewritten": 1, "wanted": [5555]}


def test_different_ports_of_two_containers_is_silent(tmp_path: Path) -> None:
    assert connections(tmp_path, 5556, 5556) == []
