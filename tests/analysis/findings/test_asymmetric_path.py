"""asymmetric-path: answers that leave a host by another interface."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import named
from tests.analysis.findings.routes import WAY, route_findings
from tests.stories import ACK, SYN, Network, ping, tcp
from tests.story_reports import C1, A, B, read

CLIENT = "192.168.50.7"


def connection(net: Network, there: list[str], back: list[str], port: int, *, nat: bool) -> None:
    """A client beyond a router to a container; `nat`: to its published port, which A translates."""
    server = f"{A}:8080" if nat else f"{C1}:80"
    for number in range(3):
        flags = SYN if number == 0 else ACK
        ask = tcp(
            f"{CLIENT}:{port} > {server}", flags=flags, seq=10 + number, ack=5 * bool(number), ident=number + port
        )
        inside = ask.routed(ends=f"{CLIENT}:{port} > {C1}:80")
        net.pass_by(*((point, inside if point == "A/docker0" else ask) for point in there), gap=1e4)
        answer = tcp(
            f"{C1}:80 > {CLIENT}:{port}", flags=flags | ACK, seq=70 + number, ack=11 + number, ident=number + port + 99
        )
        outside = answer.routed(ends=f"{server} > {CLIENT}:{port}")
        net.pass_by(*((point, answer if point == "A/docker0" else outside) for point in back), gap=1e4)


@pytest.mark.parametrize("nat", [False, True], ids=["routed", "published port"])
def test_answers_by_another_interface_is_told(tmp_path: Path, nat: bool) -> None:
    net = Network(["A/ens33", "A/ens34", "A/docker0"])
    connection(net, ["A/ens33", "A/docker0"], ["A/docker0", "A/ens34"], 4000, nat=nat)
    connection(net, ["A/ens33", "A/docker0"], ["A/docker0", "A/ens34"], 4001, nat=nat)
    connection(net, ["A/ens34", "A/docker0"], ["A/docker0", "A/ens34"], 4002, nat=nat)
    (finding,) = named(read(net, tmp_path), "asymmetric-path")
    assert finding["facts"] == {"host": "A", "there": "A/ens33", "back": "A/ens34", "connections": 2}
    assert finding["level"] == "info"  # they work
    assert {frame["point"] for frame in finding["evidence"]} <= {"A/ens33", "A/ens34", "A/docker0"}


def test_host_routing_between_two_interfaces_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33", "A/ens34"])
    for number in range(3):
        flags = SYN if number == 0 else ACK
        ask = tcp(f"{CLIENT}:4000 > 10.9.0.9:80", flags=flags, seq=10 + number, ident=number + 1)
        net.pass_by(("A/ens33", ask), ("A/ens34", ask.routed()))
        answer = tcp(f"10.9.0.9:80 > {CLIENT}:4000", flags=flags | ACK, seq=5 + number, ack=11, ident=number + 50)
        net.pass_by(("A/ens34", answer), ("A/ens33", answer.routed()))
    assert route_findings(read(net, tmp_path)) == set()


def test_two_hosts_with_one_interface_each_is_silent(tmp_path: Path) -> None:
    net = Network(WAY)
    for number in range(3):
        ask = ping(f"{C1} > {B}", 9, number, ident=number + 1)
        net.pass_by(("A/docker0", ask), *((point, ask.routed(src=A)) for point in WAY[1:]))
        answer = ping(f"{B} > {A}", 9, number, ident=number + 50, icmp=(0, 0))
        net.pass_by(*((point, answer) for point in WAY[:0:-1]), ("A/docker0", answer.routed(dst=C1)))
    assert route_findings(read(net, tmp_path)) == set()


def test_answers_that_do_not_arrive_is_told(tmp_path: Path) -> None:
    """The client repeats its SYN, the server its SYN-ACK: who forwards by the other interface drops the answers."""
    net = Network(["A/ens34", "A/docker0", "A/ens33"])
    for number in range(3):
        ask = tcp(f"{CLIENT}:4000 > {C1}:80", flags=SYN, seq=10, ident=number)
        net.pass_by(("A/ens34", ask), ("A/docker0", ask.routed()), gap=1e4)
        answer = tcp(f"{C1}:80 > {CLIENT}:4000", flags=SYN | ACK, seq=70, ack=11, ident=50 + number)
        net.pass_by(("A/docker0", answer), ("A/ens33", answer.routed()), gap=1e6)
    (finding,) = named(read(net, tmp_path), "asymmetric-path")
    assert finding["level"] == "error" and finding["facts"]["broken"] == 1
