"""The verdicts on checksums in tunnels, of packets whose right checksums scapy computes."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw
from scapy.utils import wrpcap

from capnet.analysis.aggregate.aggregator import Aggregator
from capnet.analysis.aggregate.limits import limit_stations
from capnet.analysis.core import schema
from capnet.wire.capture import open_capture

RIGHT, NONE, UNFILLED, WRONG = range(4)
DATA = bytes(range(256)) * 6


def pseudo_sum(src: str, dst: str, proto: int, length: int) -> int:
    """The sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1), folded and not inverted."""
    octets = ip_address(src).packed + ip_address(dst).packed + length.to_bytes(4, "big") + proto.to_bytes(4, "big")
    total = sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def segment(size: int = 100, chksum: int | None = None) -> Packet:
    """A TCP segment with `size` octets; its checksum is right unless one is given."""
    head = Ether(src="02:42:0a:00:00:02", dst="02:42:0a:00:00:03") / IP(src="10.0.1.2", dst="10.0.1.3")
    return head / TCP(sport=40000, dport=80, chksum=chksum) / Raw(DATA[:size])


def carried(inside: Packet, chksum: int | None = None, v6: bool = False) -> Packet:
    """The VXLAN datagram of a frame; its checksum is right unless one is given."""
    outer = IPv6(src="fd00::1", dst="fd00::2") if v6 else IP(src="192.168.111.128", dst="192.168.111.129")
    datagram = UDP(sport=50000, dport=4789, chksum=chksum)
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / outer / datagram / VXLAN(vni=7) / inside


def verdicts(folder: Path, packet: Packet) -> tuple[list[int], list[int]]:
    """Packets by verdict: of the carrier, of what it carries."""
    path = folder / "made.pcap"
    wrpcap(str(path), [packet])
    with open_capture(path) as capture:
        aggregator = Aggregator(capture.machine)
        for block in capture.blocks():
            aggregator.add(block, 0)
    aggregator.finish(limit_stations)
    (row,) = aggregator.tunnel_checksums.table.tolist()
    outer, own = schema.CHECKSUM_OUTER, schema.CHECKSUM_INNER
    return row[outer : outer + 4], row[own : own + 4]


def only(verdict: int) -> list[int]:
    return [int(number == verdict) for number in range(4)]


@pytest.mark.parametrize("size", [0, 1, 100, 1301])
@pytest.mark.parametrize("v6", [False, True])
def test_right_checksums_are_right(tmp_path: Path, size: int, v6: bool) -> None:
    assert verdicts(tmp_path, carried(segment(size), v6=v6)) == (only(RIGHT), only(RIGHT))


def test_checksum_of_zero_is_none(tmp_path: Path) -> None:
    assert verdicts(tmp_path, carried(segment(), chksum=0)) == (only(NONE), only(RIGHT))


def test_other_checksums_are_wrong(tmp_path: Path) -> None:
    assert verdicts(tmp_path, carried(segment(chksum=0x1234), chksum=0x4321)) == (only(WRONG), only(WRONG))


def test_pseudo_header_sum_is_unfilled(tmp_path: Path) -> None:
    length = 8 + 8 + 14 + 20 + 20 + 100
    chksum = pseudo_sum("192.168.111.128", "192.168.111.129", 17, length)
    assert verdicts(tmp_path, carried(segment(), chksum=chksum)) == (only(UNFILLED), only(RIGHT))


def test_carrier_computed_ahead_is_right(tmp_path: Path) -> None:
    """The inner checksum is left to the card; the carrier's counts it as it will be (local checksum offload)."""
    final = carried(segment())
    outer_sum = UDP(bytes(final[UDP])).chksum
    unfilled = segment(chksum=pseudo_sum("10.0.1.2", "10.0.1.3", 6, 20 + 100))
    assert verdicts(tmp_path, carried(unfilled, chksum=outer_sum)) == (only(RIGHT), only(UNFILLED))


def test_packet_cut_short_has_no_verdict(tmp_path: Path) -> None:
    packet = Ether(bytes(carried(segment(1000)))[:200])
    packet.wirelen = 1000
    assert verdicts(tmp_path, packet) == ([0] * 4, [0] * 4)
