"""Packets of one hop that are missing at the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.wire.formats.pcapng_writer import statistics
from tests.stories import Network, udp
from tests.story_reports import C1, C2, POINTS, A, B, findings_named, lost, path_of, read


def test_multicast_without_listener_is_not_lost(tmp_path: Path) -> None:
    """MLD and mDNS: some ports of a bridge get them, others do not, or not always; snooping decides."""
    net = Network(["A/docker0", "A/veth1", "A/veth2"])
    for number in range(8):
        report_ = udp("[fe80::1]:5353 > [ff02::fb]:5353", b"%04d" % number, dmac="33:33:00:00:00:fb")
        listening = ["A/veth1"] if number < 4 else ["A/veth1", "A/veth2"] if number % 2 else ["A/veth2"]
        net.pass_by(("A/docker0", report_), *((point, report_) for point in listening))
    for point in net.points:
        net.at(net.now + 1000, point, udp(f"{C1}:9 > {C2}:9", point.encode(), ident=5))
    report = read(net, tmp_path)
    assert all(not hop["lost"] for path in report["paths"] for hop in path["hops"])
    assert not findings_named(report, "packet-loss")


def test_packets_lost_at_one_hop_are_a_finding(tmp_path: Path) -> None:
    """Three of twenty datagrams are lost on the wire between A and B."""
    net = Network(POINTS)
    for number in range(20):
        packet = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        outside = packet.routed(src=A)
        hops = [*((p, packet) for p in POINTS[:3]), *((p, outside) for p in POINTS[3:])]
        net.pass_by(*(hops[:4] if number in (5, 6, 11) else hops))
    report = read(net, tmp_path)
    path = path_of(report, C1, B)
    assert lost(path) == [None, 0, 0, 0, 3]
    (finding,) = findings_named(report, "packet-loss")
    assert (finding["facts"]["after"], finding["facts"]["before"]) == ("A/ens33", "B/ens33")
    assert (finding["facts"]["lost"], finding["facts"]["packets"]) == (3, 20)


def test_packets_before_capture_start_are_not_lost(tmp_path: Path) -> None:
    """The second point begins to listen after four packets: they are counted as outside its time."""
    net = Network(["A/docker0", "A/ens33"])
    for number in range(10):
        packet = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        hops = [("A/docker0", packet), ("A/ens33", packet.routed(src=A))]
        net.pass_by(*(hops[:1] if number < 4 else hops))
    report = read(net, tmp_path)
    hop = path_of(report, C1, B)["hops"][1]
    assert (hop["lost"], hop["outside"]) == (0, 4)
    assert not findings_named(report, "packet-loss")


@pytest.mark.parametrize(("later_us", "is_lost"), [(0, False), (2e4, True)])
def test_packets_on_their_way_at_capture_end_are_not_lost(tmp_path: Path, later_us: float, is_lost: bool) -> None:
    """`tcpdump -c` ends both captures 3 ms after three packets left A; another flow's took up to 5 ms to B."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(20):
        for port, delay_us in ((5000, 5000), (6000, 1000)):
            packet = udp(f"{A}:{port} > {B}:7000", b"%04d" % number, ident=number + 1)
            net.at(net.now, "A/ens33", packet)
            if port == 5000 or number < 17:
                net.at(net.now + delay_us, "B/ens33", packet)
        net.now += 10_000 if number < 16 else 100
    net.at(net.now + 3000 + later_us, "B/ens33", udp(f"{B}:9 > {A}:9", b"last"))
    if not later_us:
        net.recorded = [record for record in net.recorded if record[0] <= net.now + 3000]
    report = read(net, tmp_path)
    assert bool(findings_named(report, "packet-loss")) == is_lost


@pytest.mark.parametrize(("dropped", "is_told"), [(1, True), (3, False)])
def test_capture_drops_are_no_loss_of_the_network(tmp_path: Path, dropped: int, is_told: bool) -> None:
    """Three packets are missing: the capture program itself counted one drop (interface statistics block), or three."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(10):
        packet = udp(f"{A}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        net.pass_by(("A/ens33", packet), *([] if number in (3, 4, 5) else [("B/ens33", packet)]))
    (path,) = net.write(tmp_path)
    with path.open("ab") as file:
        file.write(statistics(1, 1_700_000_001_000_000_000, received=10, kernel_dropped=dropped))
    report = analyze([path]).to_dict()
    findings = {finding["name"]: finding for finding in report["findings"]}
    assert findings["capture-dropped-packets"]["facts"] == {"B/ens33": dropped}
    assert ("packet-loss" in findings) == is_told
    if is_told:
        assert findings["packet-loss"]["facts"]["captures_dropped"] == dropped
        assert "capture there dropped packets itself" in findings["packet-loss"]["fix"]
    else:
        assert report["paths"][0]["hops"][1]["lost"] is None
