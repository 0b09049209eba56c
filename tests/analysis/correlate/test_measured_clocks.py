"""Clocks of hosts that the recording measured beside its packets (`clock` of a topology's hosts)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capnet.topology import ClockReading, Host, Topology
from tests.analysis.correlate.test_clocks import conversation
from tests.stories import START_NS, Network, udp
from tests.story_reports import C1, POINTS, B, findings_named, outward, path_of, read

MS = 1_000_000  # ns


def measured(ahead_ms: float, uncertainty_ms: float, drift: float = 0.0) -> Topology:
    """Host A recorded; B was asked each second. All by the clock of A, which is the stories' own."""
    seconds = range(0, 61, 1)
    here = [ClockReading(START_NS + second * 1000 * MS, 0, 0) for second in seconds]
    there = [
        ClockReading(reading.time_ns, round((ahead_ms + drift * second) * MS), round(uncertainty_ms * MS))
        for second, reading in zip(seconds, here, strict=True)
    ]
    hosts = [Host(name, "20.10", "6.1", clock=clock) for name, clock in (("A", here), ("B", there))]
    return Topology(hosts=hosts)


def one_way(net: Network) -> None:
    for number in range(20):
        net.now = number * 1e6
        outward(net, udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1))


def skew(report: dict[str, Any]) -> dict[str, Any]:
    (finding,) = findings_named(report, "clock-skew")
    facts: dict[str, Any] = finding["facts"]
    return facts


def test_one_way_packets_get_delays_by_measurement(tmp_path: Path) -> None:
    """Packets in one direction bound the clock on one side; what was measured bounds it on the other."""
    net = Network(POINTS, clocks={"B/ens33": (-420_000.0, 0.0)})
    one_way(net)
    report = read(net, tmp_path, topology=measured(-420.0, 0.02))
    facts = skew(report)
    assert (facts["clock"], facts["reference"], facts["both_directions"]) == ("B", "A", True)
    assert abs(facts["ahead_us"] + 420_000) <= 20 and facts["uncertainty_us"] <= 20
    assert facts["measured"] == 61 and facts["pairs"] == 20
    delay = path_of(report, C1, B)["hops"][-1]["delta_us"]
    assert 0 < delay["median"] <= 30


def test_clock_that_no_packet_compares_is_known(tmp_path: Path) -> None:
    """Each host sees its own packets only; so far their times were put beside each other as they are."""
    net = Network(["A/docker0", "B/docker0"], clocks={"B/docker0": (3_000_000.0, 0.0)})
    for number in range(10):
        net.pass_by(("A/docker0", udp(f"{C1}:5000 > 172.17.0.9:7000", b"%04d" % number, ident=number + 1)))
        net.pass_by(("B/docker0", udp("172.18.0.2:6000 > 172.18.0.9:7000", b"b%03d" % number, ident=number + 90)))
    facts = skew(read(net, tmp_path, topology=measured(3000.0, 1.0)))
    assert abs(facts["ahead_us"] - 3_000_000) <= 1000
    assert (facts["measured"], facts["pairs"]) == (61, 0)


def test_equal_clocks_stay_as_they_are(tmp_path: Path) -> None:
    """What is measured through a network is off by a part of its round trip, and zero is within that."""
    net = Network(POINTS)
    one_way(net)
    report = read(net, tmp_path, topology=measured(0.4, 0.5))
    assert findings_named(report, "clock-skew") == []
    assert path_of(report, C1, B)["hops"][-1]["delta_us"]["median"] == 10.0


@pytest.mark.parametrize(("ahead_ms", "drift"), [(420.0, 0.0), (420.0, 2.0 / 60), (-1.5, 0.0)])
def test_packets_decide_where_they_are_sharper(tmp_path: Path, ahead_ms: float, drift: float) -> None:
    net = Network(POINTS, clocks={"B/ens33": (ahead_ms * 1000, drift * 1000)})
    conversation(net)
    topology = measured(ahead_ms + 0.7, 5.0, drift)
    with_readings = skew(read(net, tmp_path, topology=topology))
    without = skew(read(net, tmp_path, topology=Topology()))
    measurements = with_readings.pop("measured")
    assert measurements == 61
    assert abs(with_readings["ahead_us"] - ahead_ms * 1000) < 100
    assert with_readings["pairs"] == without["pairs"]
    assert abs(with_readings["ahead_us"] - without["ahead_us"]) < 100


@pytest.mark.parametrize("number", [1 << 62, -(1 << 200), -5])
def test_absurd_readings_do_no_harm(tmp_path: Path, number: int) -> None:
    """A topology file may come from anywhere."""
    net = Network(POINTS)
    one_way(net)
    topology = measured(0.0, 0.5)
    topology.hosts[1].clock[3] = ClockReading(number, number, number)
    report = read(net, tmp_path, topology=topology)
    assert findings_named(report, "clock-skew") == []
