"""connection-refused: SYNs that are answered with RST."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import of_story
from tests.stories import ACK, RST, SYN, Network, tcp
from tests.story_reports import A, B


def refuse(net: Network, port: int) -> None:
    net.pass_by(("A/ens33", tcp(f"{A}:40000 > {B}:{port}", seq=12_345, flags=SYN)), gap=10)
    net.pass_by(("A/ens33", tcp(f"{B}:{port} > {A}:40000", ack=12_346, flags=RST | ACK)), gap=10)


def test_syn_answered_with_rst_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    refuse(net, 8080)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert (finding["level"], finding["facts"]) == ("warning", {"address": B, "port": 8080})
    assert finding["says"] == f"{B} refused connections to port 8080"
    assert [frame["frame"] for frame in finding["evidence"]] == [2]


def test_scan_of_many_ports_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for port in range(1, 200):
        refuse(net, port)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert finding["facts"]["ports_in_all"] == 199 and finding["facts"]["ports"][:3] == [1, 2, 3]
    assert "199 ports, 1 to 199" in finding["says"] and len(finding["evidence"]) == 10


def test_accepted_connection_reset_later_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    net.pass_by(("A/ens33", tcp(f"{A}:40000 > {B}:80", seq=100, flags=SYN)))
    net.pass_by(("A/ens33", tcp(f"{B}:80 > {A}:40000", seq=900, ack=101, flags=SYN | ACK)))
    net.pass_by(("A/ens33", tcp(f"{A}:40000 > {B}:80", seq=101, ack=901)))
    net.pass_by(("A/ens33", tcp(f"{B}:80 > {A}:40000", seq=901, ack=101, flags=RST | ACK)))
    assert of_story(net, tmp_path, "connection-refused") == []
