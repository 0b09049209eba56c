"""Packets that a point did not record are no loss of the network.

The packets of stored captures that all arrived are taken out at single points, as a capture program that drops them
would; each of them was seen at a later point, acknowledged or answered.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.engine import analyze
from capnet.topology import Container, Endpoint, Host, Interface, ListeningPoint, Topology
from tests.analysis.fate.altered import capture
from tests.stories import ACK, FIN, PSH, SYN, Network, Packet, tcp, udp
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
    assert lost(path_of(report, C1, B)) == [None, 0, 0, 0, 0]
    assert report["correlation"]["unrecorded"] == {"A/ens33": 3}
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


@dataclass
class Download:
    """A server on B answers a request through a router in ten segments, each of them acknowledged; both sides close."""

    lost_acks: tuple[int, ...] = ()  # which of the client's acknowledgments end at the router
    lost_segments: tuple[int, ...] = ()  # which of the server's segments do
    is_sent_again: bool = True  # all that is lost of the server, in one segment, as offload joins it
    is_closed: bool = True  # by both sides; else the connection stays open, and its SYN was sent again

    def report(self, folder: Path) -> dict[str, Any]:
        net = Network(["A/docker0", "A/ens33"])
        there, here = f"{A}:40000 > {B}:80", f"{B}:80 > {A}:40000"

        def pass_by(packet: Packet, back: bool = False, is_lost: bool = False) -> None:
            way = net.points[::-1] if back else net.points
            routed = packet.routed()
            net.pass_by(*zip(way, [packet] if is_lost else [packet, routed], strict=False))

        for _ in range(1 if self.is_closed else 2):
            pass_by(tcp(there, flags=SYN, seq=100))
            net.now += 1e6
        pass_by(tcp(here, flags=SYN | ACK, seq=500, ack=101), back=True)
        pass_by(tcp(there, b"query", flags=PSH | ACK, seq=101, ack=501, ident=7))
        for number in range(10):
            is_lost = number in self.lost_segments
            segment = tcp(here, bytes([number]) * 100, flags=ACK, seq=501 + 100 * number, ack=106, ident=20 + number)
            pass_by(segment, back=True, is_lost=is_lost)
            if not is_lost:
                ack = tcp(there, flags=ACK, seq=106, ack=601 + 100 * number, ident=40 + number)
                pass_by(ack, is_lost=number in self.lost_acks)
        if self.lost_segments and self.is_sent_again:
            first, octets = self.lost_segments[0], b"".join(bytes([number]) * 100 for number in self.lost_segments)
            net.now += 300_000
            pass_by(tcp(here, octets, flags=ACK, seq=501 + 100 * first, ack=106, ident=60), back=True)
        if not self.is_closed:
            return read(net, folder)
        pass_by(tcp(here, flags=FIN | ACK, seq=1501, ack=106, ident=61), back=True)
        pass_by(tcp(there, flags=FIN | ACK, seq=106, ack=1502, ident=62))
        return read(net, folder)


@pytest.mark.parametrize(
    ("download", "expected"),
    [
        (Download(lost_acks=(2, 5, 7)), {("A/docker0", 3)}),
        (Download(lost_segments=(3, 4)), {("A/ens33", 2)}),
        (Download(lost_acks=(2, 7), lost_segments=(3, 4)), {("A/docker0", 2), ("A/ens33", 2)}),
    ],
    ids=["acknowledgments", "segments that one sends again", "both"],
)
def test_packets_lost_at_a_router_were_recorded(
    download: Download, expected: set[tuple[str, int]], tmp_path: Path
) -> None:
    """No host sends a pure ACK again, and one segment may send again what was lost of two."""
    report = download.report(tmp_path)
    assert not report["correlation"].get("unrecorded")
    lost_at = {(each["facts"]["after"], each["facts"]["lost"]) for each in findings_named(report, "packet-loss")}
    assert lost_at == expected


@pytest.mark.parametrize("is_closed", [True, False])
def test_segments_that_are_not_sent_again_passed(tmp_path: Path, is_closed: bool) -> None:
    """The client acknowledges them."""
    report = Download(lost_segments=(3, 4), is_sent_again=False, is_closed=is_closed).report(tmp_path)
    assert report["correlation"]["unrecorded"] == {"A/docker0": 2}
    assert not findings_named(report, "packet-loss")


def test_packets_forwarded_by_a_bridge_are_no_gap(tmp_path: Path) -> None:
    """As of a service on the same bridge: the first packet is routed there, and the bridge forwards the others."""
    net = Network(["A/veth1", "A/br0", "A/veth2"])
    for number in range(6):
        packet = udp(f"{C1}:5000 > 10.96.0.10:53", b"%04d" % number, ident=number + 1)
        inside = packet.but(dst="172.17.0.9")
        net.pass_by(("A/veth1", packet), *([("A/br0", inside)] if number == 0 else []), ("A/veth2", inside))
    report = read(net, tmp_path)
    assert report["correlation"]["unrecorded"] == {}
    assert not findings_named(report, "packet-loss")
