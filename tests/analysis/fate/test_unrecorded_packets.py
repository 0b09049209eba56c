"""Packets that a point did not record are no loss of the network.

The packets of stored captures that all arrived are taken out at single points, as a capture program that drops them
would; each of them was seen at a later point, acknowledged or answered.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.topology import Container, Endpoint, Host, Interface, ListeningPoint, Topology
from tests.analysis.fate.altered import capture
from tests.stories import ACK, FIN, PSH, SYN, Network, tcp, udp
from tests.story_reports import C1, POINTS, A, B, findings_named, lost, path_of, read

PCAPS = Path(__file__).parents[3] / "pcaps"
DROPPED_SHARE = 0.25
ARRIVAL_PROVEN = ("bridge", "bridge-user-defined", "overlay", "macvlan", "container")  # TCP and pings both ways


@pytest.mark.parametrize("name", ARRIVAL_PROVEN)
def test_capture_that_drops_a_quarter_is_no_loss(name: str, tmp_path: Path) -> None:
    """At each point in turn a quarter of the packets is not recorded."""
    whole = capture(PCAPS / f"{name}.pcapng")
    points = sorted({record.point for record in whole.records})
    own = {finding.name for finding in analyze(PCAPS / f"{name}.pcapng").findings}
    told = []
    for point in points:
        chance = random.Random(point)
        rest = whole.without(
            lambda record, point=point, chance=chance: record.point == point and chance.random() < DROPPED_SHARE
        )
        report = analyze(rest.write(tmp_path / "dropped.pcapng"))
        told += [
            (finding.name, finding.facts)
            for finding in report.findings
            if finding.level != "info" and finding.name not in own
        ]
    assert told == []


def test_packets_seen_at_a_later_point_passed(tmp_path: Path) -> None:
    """Three of twenty datagrams are missing at A/ens33 and come in at B/ens33: nothing answers them."""
    net = Network(POINTS)
    for number in range(20):
        packet = udp(f"{C1}:5000 > {B}:7000", b"%04d" % number, ident=number + 1)
        outside = packet.routed(src=A)
        hops = [*((point, packet) for point in POINTS[:3]), *((point, outside) for point in POINTS[3:])]
        net.pass_by(*(hop for hop in hops if number not in (5, 6, 11) or hop[0] != "A/ens33"))
    report = read(net, tmp_path)
    assert lost(path_of(report, C1, B)) == [None, 0, 0, None, 0]
    assert not findings_named(report, "packet-loss")


@pytest.mark.parametrize("mac", ["02:42:ac:11:00:09", "02:42:ac:11:00:02"])
def test_frame_that_a_bridge_floods_is_no_gap(mac: str, tmp_path: Path) -> None:
    """The SYN goes to the other container too; then the bridge has learnt the port.

    To a container whose MAC they have, the packets behind it passed and were not recorded.
    """
    macs = {"smac": "02:42:ac:11:00:01", "dmac": "02:42:ac:11:00:02"}
    back = {"smac": macs["dmac"], "dmac": macs["smac"]}
    there, here = f"{B}:40000 > {C1}:80", f"{C1}:80 > {B}:40000"
    syn = tcp(there, flags=SYN, seq=100, **macs)
    net = Network(["A/docker0", "A/other/eth0"])
    net.pass_by(("A/docker0", syn), ("A/other/eth0", syn))
    for packet in (
        tcp(here, flags=SYN | ACK, seq=500, ack=101, **back),
        tcp(there, flags=ACK, seq=101, ack=501, **macs),
        tcp(there, b"query", flags=PSH | ACK, seq=101, ack=501, **macs),
        tcp(here, b"rows", flags=PSH | FIN | ACK, seq=501, ack=106, **back),
        tcp(there, flags=FIN | ACK, seq=106, ack=506, **macs),
    ):
        net.pass_by(("A/docker0", packet))
    net.pass_by(("A/other/eth0", udp(f"{B}:7000 > 172.17.0.9:5000", dmac=mac)))  # the point is listened at to the end
    other = Container("A", "other", "1", "i", "bridge", [Endpoint("bridge", "eth0", mac, ["172.17.0.9/16"])])
    at = ListeningPoint("A/other/eth0", "container", "A", "eth0", "", container="other")
    hosts = [Host("B", "20.10", "6", [Interface("ens33", 2, None, [f"{B}/24"])])]
    report = read(net, tmp_path, topology=Topology(hosts=hosts, containers=[other], points=[at]))
    told = report["correlation"].get("unrecorded", {})
    assert ("A/other/eth0" in told) is (mac == macs["dmac"])
