"""What is missing, and when: losses, retries, points that began late, clocks that disagree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analyze.simulate import Network, tcp, udp
from tests.analyze.told import C1, POINTS, A, B, inward, lost, outward, path_of, points, read, translations


# -- loss, time ------------------------------------------------------------------------------------------------
def test_loss_at_a_known_hop_is_a_finding(tmp_path: Path) -> None:
    net = Network(POINTS)
    for number in range(20):
        packet = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        outside = packet.routed(src=A)
        hops = [*((p, packet) for p in POINTS[:3]), *((p, outside) for p in POINTS[3:])]
        net.pass_by(*(hops[:4] if number in (5, 6, 11) else hops))
    report = read(net, tmp_path)
    path = path_of(report, C1, B)
    assert lost(path) == [None, 0, 0, 0, 3]
    (finding,) = [each for each in report["findings"] if each["name"] == "packet-loss"]
    assert (finding["facts"]["after"], finding["facts"]["before"]) == ("A/ens33", "B/ens33")
    assert (finding["facts"]["lost"], finding["facts"]["packets"]) == (3, 20)


def test_absence_outside_the_time_of_a_point_is_said_to_be_that(tmp_path: Path) -> None:
    net = Network(["A/docker0", "A/ens33"])
    for number in range(10):
        packet = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        hops = [("A/docker0", packet), ("A/ens33", packet.routed(src=A))]
        net.pass_by(*(hops[:1] if number < 4 else hops))
    report = read(net, tmp_path)
    hop = path_of(report, C1, B)["hops"][1]
    assert (hop["lost"], hop["outside"]) == (0, 4)
    assert not [each for each in report["findings"] if each["name"] == "packet-loss"]


def conversation(net: Network, seconds: int = 60) -> None:
    """Requests of a container to B and B's answers, one pair a second, through A's masquerade."""
    for number in range(seconds):
        net.now = number * 1e6
        request = tcp(f"{C1}:5555 > {B}:7000", b"ask", seq=3 * number, ack=5 * number, ident=number + 1)
        outward(net, request)
        answer = tcp(f"{B}:7000 > {A}:5555", b"reply", seq=5 * number, ack=3 * number + 3, ident=number + 5000)
        inward(net, answer, f"{C1}:5555")


def test_two_clocks_half_a_second_apart_that_drift(tmp_path: Path) -> None:
    """0.42 s, and 2 ms more after a minute: the offset comes from both directions, the delays from after correction."""
    net = Network(POINTS, clocks={"B/ens33": (420_000.0, 2000.0 / 60)})
    conversation(net)
    report = read(net, tmp_path)
    there, back = path_of(report, C1, B), path_of(report, B, A)
    assert points(there) == POINTS and points(back) == POINTS[::-1]
    for path in (there, back):
        delays = [hop["delta_us"] for hop in path["hops"][1:]]
        assert all(abs(delay["median"] - 10) < 2 and delay["min"] > 5 for delay in delays), delays
    (finding,) = [each for each in report["findings"] if each["name"] == "clock-skew"]
    facts = finding["facts"]
    assert (facts["clock"], facts["reference"]) == ("B", "A")
    assert abs(facts["ahead_us"] - 420_000) < 100 and abs(facts["drift_us_per_s"] - 2000 / 60) < 0.5
    assert facts["pairs"] > 60


@pytest.mark.parametrize("ahead", [-420_000.0, 420_000.0, 1_500.0])
def test_two_files_of_unknown_origin_on_both_sides_of_a_nat(tmp_path: Path, ahead: float) -> None:
    net = Network(["A/docker0", "A/ens33"], files={"A/docker0": "inside.pcapng", "A/ens33": "outside.pcapng"})
    net.clocks = {"outside.pcapng": (ahead, -1000 / 60)}
    for number in range(60):
        net.now = number * 1e6
        request = tcp(f"{C1}:5555 > {B}:7000", b"ask", seq=3 * number, ack=5 * number, ident=number + 1)
        net.pass_by(("A/docker0", request), ("A/ens33", request.routed(src=A)))
        answer = tcp(f"{B}:7000 > {A}:5555", b"reply", seq=5 * number, ack=3 * number + 3, ident=number + 5000)
        net.pass_by(("A/ens33", answer), ("A/docker0", answer.routed(dst=C1)))
    report = read(net, tmp_path)
    assert translations(report) == {("snat", "tcp", (C1, 5555, B, 7000), (A, 5555, B, 7000))}
    (finding,) = [each for each in report["findings"] if each["name"] == "clock-skew"]
    assert abs(finding["facts"]["ahead_us"] - ahead) < 30
    assert all(5 < hop["delta_us"]["median"] < 15 for path in report["paths"] for hop in path["hops"][1:])


def test_between_clocks_that_only_one_direction_compares_there_is_no_delay(tmp_path: Path) -> None:
    net = Network(POINTS, clocks={"B/ens33": (-420_000.0, 0.0)})
    for number in range(20):
        outward(net, udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1))
    report = read(net, tmp_path)
    path = path_of(report, C1, B)
    assert points(path) == POINTS
    assert path["hops"][-1]["delta_us"] is None
    assert path["hops"][-2]["delta_us"]["median"] == 10.0


def test_clocks_that_agree_are_left_alone(tmp_path: Path) -> None:
    net = Network(POINTS)
    conversation(net, 10)
    report = read(net, tmp_path)
    assert not [each for each in report["findings"] if each["name"] == "clock-skew"]
    assert path_of(report, C1, B)["hops"][-1]["delta_us"]["max"] == 10.0
