"""What is missing, and when: losses, retries, points that began late, clocks that disagree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.engine import analyze
from capnet.report.document import document
from capnet.wire.formats.pcapng_writer import statistics
from tests.stories import SYN, Network, tcp, udp
from tests.story_reports import C1, POINTS, A, B, inward, lost, outward, path_of, points, read, translations


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


@pytest.mark.parametrize("by", [2e6, -5e5, 30_000.0])
@pytest.mark.parametrize("drift", [0.0, 80.0])
def test_a_clock_that_is_set_meanwhile_turns_no_path_round(tmp_path: Path, by: float, drift: float) -> None:
    """B's clock is stepped after 30 s, as by an NTP client that starts late; backwards its times come twice."""
    net = Network(POINTS, clocks={"b.pcapng": (1000.0, drift)}, files={"B/ens33": "b.pcapng"})
    net.steps, net.as_recorded = {"B/ens33": (30e6, by)}, {"b.pcapng"}
    conversation(net)
    report = read(net, tmp_path)
    assert translations(report) == {("snat", "tcp", (C1, 5555, B, 7000), (A, 5555, B, 7000))}
    there, back = path_of(report, C1, B), path_of(report, B, A)
    assert points(there) == POINTS and points(back) == POINTS[::-1]
    for path in (there, back):
        delays = [hop["delta_us"] for hop in path["hops"][1:]]
        assert all(delay["min"] >= 0 and delay["max"] < 20 for delay in delays), delays
        assert lost(path)[1:] == [0] * 4
    (finding,) = [each for each in report["findings"] if each["name"] == "clock-skew"]
    (step,) = finding["facts"]["steps_us"]
    assert abs(step - by) < 100
    assert "was set 1 time" in finding["says"]
    assert not [each for each in report["findings"] if each["name"] == "packet-loss"]


@pytest.mark.parametrize("ahead", [3.6e9, -3.6e9])
def test_an_hour_is_no_delay_of_a_packet(tmp_path: Path, ahead: float) -> None:
    """One direction, one file: it may be as much as that, or it must be; either way no delay is known."""
    net = Network(["A/docker0", "A/ens33", "B/ens33"], clocks={"B/ens33": (ahead, 0.0)})
    for number in range(10):
        packet = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        outside = packet.routed(src=A)
        net.pass_by(("A/docker0", packet), ("A/ens33", outside), ("B/ens33", outside))
    report = read(net, tmp_path)
    path = path_of(report, C1, B)
    assert points(path) == net.points
    assert path["hops"][1]["delta_us"]["max"] == 10.0 and path["hops"][2]["delta_us"] is None
    (finding,) = [each for each in report["findings"] if each["name"] == "clock-skew"]
    assert ("at most" if ahead > 0 else "at least") in finding["says"]


def test_a_delay_between_files_of_strangers_is_not_told_when_only_one_direction_passed(tmp_path: Path) -> None:
    """50 ms may be a long way, or two clocks: neither is said. 10 µs are one kernel's."""
    for ahead, known in ((50_000.0, False), (0.0, True)):
        net = Network(["x", "y"], files={"x": "x.pcapng", "y": "y.pcapng"}, clocks={"y.pcapng": (ahead, 0.0)})
        for number in range(10):
            packet = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
            net.pass_by(("x", packet), ("y", packet.routed(src=A)))
        report = read(net, tmp_path)
        assert (report["paths"][0]["hops"][1]["delta_us"] is not None) == known
        assert not [each for each in report["findings"] if each["name"] == "clock-skew"]


# -- lost before anybody listened --------------------------------------------------------------------------------
def gaps(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [each["facts"] for each in report["findings"] if each["name"] == "sequence-gap"]


def stream(net: Network, order: list[tuple[float, int]], first: int = 0xFFFFF000) -> None:
    """Segments of 1000 octets by number, each at its time in µs, seen at both ends of the wire."""
    for time, number in order:
        segment = tcp(
            f"{A}:5555 > {B}:80", bytes(1000), seq=first + 1000 * number & 0xFFFFFFFF, ident=round(time) % 65_000 + 1
        )
        net.at(time, "A/ens33", segment)
        net.at(time + 10, "B/ens33", segment)


def test_what_was_dropped_before_the_senders_own_tap_is_a_gap_of_sequence_numbers(tmp_path: Path) -> None:
    """Segments 3 and 4 meet a queue that drops them: nobody shows them until they are sent again, 200 ms later."""
    net = Network(["A/ens33", "B/ens33"])
    stream(net, [(100.0 * n, n) for n in range(10) if n not in (3, 4)] + [(2e5, 3), (2.001e5, 4)])
    report = read(net, tmp_path)
    assert lost(path_of(report, A, B)) == [None, 0]
    (facts,) = gaps(report)
    assert (facts["point"], facts["flows"], facts["late"], facts["never"]) == ("A/ens33", 1, 2000, 0)
    assert {each["name"] for each in report["findings"]} == {"sequence-gap", "retransmissions"}


def test_what_never_came_is_told_apart_from_what_came_late(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    stream(net, [(100.0 * n, n) for n in range(10) if n not in (3, 6)] + [(3e5, 6)])
    (facts,) = gaps(read(net, tmp_path))
    assert (facts["late"], facts["never"]) == (1000, 1000)


def test_segments_that_overtake_are_sent_twice_or_use_their_ports_again_leave_no_gap(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    stream(net, [(0, 0), (100, 2), (150, 1), (200, 3), (300, 3), (400, 4), (500, 5)])
    stream(net, [(1e6 + 100 * n, n) for n in range(5)], first=0x40000000)  # another connection
    assert gaps(read(net, tmp_path)) == []


def test_a_loss_between_two_points_is_no_gap_of_the_second_one(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    for number in range(10):
        segment = tcp(f"{A}:5555 > {B}:80", bytes(1000), seq=number * 1000, ident=number)
        net.pass_by(("A/ens33", segment), *([] if number == 4 else [("B/ens33", segment)]))
    report = read(net, tmp_path)
    assert lost(path_of(report, A, B)) == [None, 1]
    assert gaps(report) == []


# -- questions that are asked again ------------------------------------------------------------------------------
@pytest.mark.parametrize("seconds", [(0, 1, 2, 3, 4, 5, 7, 11), (0, 1, 3, 7)], ids=["linear first", "doubling"])
def test_a_syn_that_is_sent_again_is_one_connection_whatever_the_kernels_schedule(
    tmp_path: Path, seconds: tuple[int, ...]
) -> None:
    """Since Linux 6.5 every second at first (tcp_syn_linear_timeouts), before it after 1, 3, 7 s."""
    net = Network(["A/docker0", "A/ens33", "B/ens33"])
    for number, second in enumerate(seconds):
        net.now = second * 1e6
        syn = tcp(f"{C1}:5555 > {B}:80", flags=SYN, seq=1000, ident=number + 1, tsval=1000 * second)
        net.pass_by(*((point, syn if point == "A/docker0" else syn.routed()) for point in net.points))
    report = read(net, tmp_path)
    path = path_of(report, C1, B)
    assert [hop["packets"] for hop in path["hops"]] == [len(seconds)] * 3
    assert lost(path) == [None, 0, 0]
    (finding,) = [each for each in report["findings"] if each["name"] == "not-masqueraded"]
    assert finding["facts"]["connections"] == 1
    (again,) = [each for each in report["findings"] if each["name"] == "retransmissions"]
    assert again["facts"]["segments"] == dict.fromkeys(net.points, len(seconds) - 1)
    assert not {"sequence-gap", "duplicate-observation"} & {each["name"] for each in report["findings"]}


# -- the capture itself ------------------------------------------------------------------------------------------
def test_packets_that_the_capture_program_lost_are_said_beside_what_is_missing(tmp_path: Path) -> None:
    """Drop counts of the interface statistics block: absence at that point may be the capture's own doing."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(10):
        packet = udp(f"{A}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        net.pass_by(("A/ens33", packet), *([] if number in (3, 4) else [("B/ens33", packet)]))
    (path,) = net.write(tmp_path)
    with path.open("ab") as file:
        file.write(statistics(1, 1_700_000_001_000_000_000, received=10, kernel_dropped=2))
    report = document(analyze([path]))
    found = {each["name"]: each for each in report["findings"]}
    assert found["capture-dropped-packets"]["facts"] == {"B/ens33": 2}
    assert (found["packet-loss"]["facts"]["lost"], found["packet-loss"]["facts"]["captures_dropped"]) == (2, 2)
    assert "capture there dropped packets itself" in found["packet-loss"]["fix"]
