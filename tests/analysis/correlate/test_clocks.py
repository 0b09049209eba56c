"""Clocks that disagree, drift or are set while packets are recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.conftest import PROJECT
from tests.stories import ACK, RST, SYN, Network, tcp, udp
from tests.story_reports import (
    C1,
    POINTS,
    A,
    B,
    findings_named,
    inward,
    lost,
    outward,
    path_of,
    points,
    read,
    translations,
)

KUBERNETES = PROJECT / "pcaps" / "kubernetes-service.pcapng"


def conversation(net: Network, count: int = 60, apart: float = 1e6) -> None:
    """Requests of a container to B and B's answers, a pair each second or `apart` µs, through A's masquerade."""
    for number in range(count):
        net.now = number * apart
        request = tcp(f"{C1}:5555 > {B}:7000", b"ask", seq=3 * number, ack=5 * number, ident=number + 1)
        outward(net, request)
        answer = tcp(f"{B}:7000 > {A}:5555", b"reply", seq=5 * number, ack=3 * number + 3, ident=number + 5000)
        inward(net, answer, f"{C1}:5555")


def test_drifting_clock_is_corrected(tmp_path: Path) -> None:
    """0.42 s, and 2 ms more after a minute: the offset comes from both directions, the delays from after correction."""
    net = Network(POINTS, clocks={"B/ens33": (420_000.0, 2000.0 / 60)})
    conversation(net)
    report = read(net, tmp_path)
    forward, back = path_of(report, C1, B), path_of(report, B, A)
    assert points(forward) == POINTS and points(back) == POINTS[::-1]
    for path in (forward, back):
        delays = [hop["delta_us"] for hop in path["hops"][1:]]
        assert all(abs(delay["median"] - 10) < 2 and delay["min"] > 5 for delay in delays), delays
    (finding,) = findings_named(report, "clock-skew")
    facts = finding["facts"]
    assert (facts["clock"], facts["reference"]) == ("B", "A")
    assert abs(facts["ahead_us"] - 420_000) < 100 and abs(facts["drift_us_per_s"] - 2000 / 60) < 0.5
    assert facts["pairs"] > 60


@pytest.mark.parametrize("ahead", [-420_000.0, 420_000.0, 1_500.0])
def test_clocks_of_two_files_around_nat_are_corrected(tmp_path: Path, ahead: float) -> None:
    """Two files without host names, one from each side of a masquerade."""
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
    (finding,) = findings_named(report, "clock-skew")
    assert abs(finding["facts"]["ahead_us"] - ahead) < 30
    assert all(5 < hop["delta_us"]["median"] < 15 for path in report["paths"] for hop in path["hops"][1:])


def test_one_way_packets_give_no_delay_between_clocks(tmp_path: Path) -> None:
    """Packets in one direction bound the distance of two clocks from one side only."""
    net = Network(POINTS, clocks={"B/ens33": (-420_000.0, 0.0)})
    for number in range(20):
        outward(net, udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1))
    report = read(net, tmp_path)
    path = path_of(report, C1, B)
    assert points(path) == POINTS
    assert path["hops"][-1]["delta_us"] is None
    assert path["hops"][-2]["delta_us"]["median"] == 10.0


def test_equal_clocks_are_not_corrected(tmp_path: Path) -> None:
    """Both hosts have the right time: no finding, and delays as they are."""
    net = Network(POINTS)
    conversation(net, 10)
    report = read(net, tmp_path)
    assert not findings_named(report, "clock-skew")
    assert path_of(report, C1, B)["hops"][-1]["delta_us"]["max"] == 10.0


@pytest.mark.parametrize("by", [2e6, -5e5, 30_000.0])
@pytest.mark.parametrize("drift", [0.0, 80.0])
def test_stepped_clock_keeps_the_order_of_hops(tmp_path: Path, by: float, drift: float) -> None:
    """B's clock is stepped after 30 s, as by an NTP client that starts late; backwards its times come twice."""
    net = Network(POINTS, clocks={"b.pcapng": (1000.0, drift)}, files={"B/ens33": "b.pcapng"})
    net.steps, net.as_recorded = {"B/ens33": (30e6, by)}, {"b.pcapng"}
    conversation(net)
    report = read(net, tmp_path)
    assert translations(report) == {("snat", "tcp", (C1, 5555, B, 7000), (A, 5555, B, 7000))}
    forward, back = path_of(report, C1, B), path_of(report, B, A)
    assert points(forward) == POINTS and points(back) == POINTS[::-1]
    for path in (forward, back):
        delays = [hop["delta_us"] for hop in path["hops"][1:]]
        assert all(delay["min"] >= 0 and delay["max"] < 20 for delay in delays), delays
        assert lost(path)[1:] == [0] * 4
    (finding,) = findings_named(report, "clock-skew")
    (step,) = finding["facts"]["steps_us"]
    assert abs(step - by) < 100
    assert "was set 1 time" in finding["says"]
    assert not findings_named(report, "packet-loss")


def test_clock_that_jitters_was_not_set(tmp_path: Path) -> None:
    """Within 0.3 s, times of B move by 0.5 ms against those of A: no program sets a clock by so little."""
    net = Network(POINTS, clocks={"b.pcapng": (0.0, 0.0)}, files={"B/ens33": "b.pcapng"})
    net.steps, net.as_recorded = {"B/ens33": (150_000, 500.0)}, {"b.pcapng"}
    conversation(net, apart=5000)
    (finding,) = findings_named(read(net, tmp_path), "clock-skew")
    assert finding["facts"]["steps_us"] == []
    assert "was set" not in finding["says"] and "no clock that runs evenly" in finding["says"]


@pytest.mark.parametrize("ahead", [3.6e9, -3.6e9])
def test_clock_an_hour_off_gives_no_delay(tmp_path: Path, ahead: float) -> None:
    """Packets in one direction bound the distance from one side only, so no delay is reported."""
    net = Network(["A/docker0", "A/ens33", "B/ens33"], clocks={"B/ens33": (ahead, 0.0)})
    for number in range(10):
        packet = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        outside = packet.routed(src=A)
        net.pass_by(("A/docker0", packet), ("A/ens33", outside), ("B/ens33", outside))
    report = read(net, tmp_path)
    path = path_of(report, C1, B)
    assert points(path) == net.points
    assert path["hops"][1]["delta_us"]["max"] == 10.0 and path["hops"][2]["delta_us"] is None
    (finding,) = findings_named(report, "clock-skew")
    assert ("at most" if ahead > 0 else "at least") in finding["says"]


def test_one_way_packets_between_files_give_no_long_delay(tmp_path: Path) -> None:
    """50 ms may be a long way, or two clocks: neither is said. 10 µs are one kernel's."""
    for ahead, is_known in ((50_000.0, False), (0.0, True)):
        net = Network(["x", "y"], files={"x": "x.pcapng", "y": "y.pcapng"}, clocks={"y.pcapng": (ahead, 0.0)})
        for number in range(10):
            packet = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
            net.pass_by(("x", packet), ("y", packet.routed(src=A)))
        report = read(net, tmp_path)
        assert (report["paths"][0]["hops"][1]["delta_us"] is not None) == is_known
        assert not findings_named(report, "clock-skew")


def test_equal_resets_of_a_scan_set_no_clock(tmp_path: Path) -> None:
    """Half-open checks with one sequence number, as scanners send: their resets are one digest in many flows."""
    files = {"A/docker0": "inside.pcapng", "A/ens33": "outside.pcapng"}
    net = Network(list(files), files=files)
    for number in range(8):
        net.now = number * 5e5
        ends = f"{B}:{40000 + number} > {A}:8080"
        syn = tcp(ends, seq=1000, flags=SYN, ident=number + 1)
        accepted = tcp(f"{C1}:80 > {B}:{40000 + number}", seq=77 * number, ack=1001, flags=SYN | ACK)
        reset = tcp(ends, seq=1001, flags=RST, window=0)
        for packet in (syn, accepted, reset):
            if packet is accepted:
                net.pass_by(("A/docker0", packet), ("A/ens33", packet.routed(src=A, sport=8080)))
            else:
                net.pass_by(("A/ens33", packet), ("A/docker0", packet.routed(dst=C1, dport=80)))
    assert not findings_named(read(net, tmp_path), "clock-skew")


def test_packet_that_comes_back_to_its_host_bounds_no_clock() -> None:
    """Host B asks A's node port, whose pod is on B: A sends the packet back in VXLAN. Truth: the lab has one clock."""
    assert [each["name"] for each in analyze(KUBERNETES).to_dict()["findings"] if each["name"] == "clock-skew"] == []
