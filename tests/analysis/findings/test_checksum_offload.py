"""checksum-offload: checksums that hold the sum of the pseudo-header only."""

from __future__ import annotations

import struct
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.utils import checksum

from tests.analysis.findings.made import CLIENT, MAC_1, MAC_2, SERVER, of_packets
from tests.analysis.findings.reported import of_capture
from tests.conftest import PROJECT
from tests.wire.expected import stored

NAME = "checksum-offload"
FAMILIES = pytest.mark.parametrize("family", [4, 6])
TRANSPORTS = pytest.mark.parametrize("transport", ["tcp", "udp"])


def packet(family: int, transport: str, fill: int | None) -> Ether:
    """A packet whose checksum is right, or the pseudo-header's sum XOR `fill`.

    The sum is computed here as RFC 9293 has it, without complement, by scapy's own routine.
    """
    network = IP(src=CLIENT, dst=SERVER) if family == 4 else IPv6(src="fd00::1", dst="fd00::2")
    segment = TCP(sport=1, dport=2, seq=5) if transport == "tcp" else UDP(sport=1, dport=2)
    data = b"some payload"
    if fill is not None:
        size = (20 if transport == "tcp" else 8) + len(data)
        number = 6 if transport == "tcp" else 17
        ends = [inet_pton(AF_INET if family == 4 else AF_INET6, end) for end in (network.src, network.dst)]
        rest = struct.pack("!BBH", 0, number, size) if family == 4 else struct.pack("!I3xB", size, number)
        segment.chksum = checksum(b"".join(ends) + rest) ^ 0xFFFF ^ fill
    return Ether(src=MAC_1, dst=MAC_2) / network / segment / data


@FAMILIES
@TRANSPORTS
def test_checksum_of_pseudo_header_is_told(family: int, transport: str, tmp_path: Path) -> None:
    unfilled = [packet(family, transport, 0)] * 3
    packets = [packet(family, transport, None), *unfilled, packet(family, transport, 0x5555)]
    (finding,) = of_packets(tmp_path, NAME, *packets)
    assert (finding["facts"]["unfilled"], finding["facts"]["looked_at"]) == (3, 5)
    assert [frame["frame"] for frame in finding["evidence"]] == [2, 3]
    assert finding["level"] == "info"


@FAMILIES
@TRANSPORTS
def test_checksum_right_or_damaged_is_silent(family: int, transport: str, tmp_path: Path) -> None:
    packets = [packet(family, transport, None)] * 2 + [packet(family, transport, 0x5555)]
    assert of_packets(tmp_path, NAME, *packets) == []


def test_checksums_tshark_calls_bad_in_golden_is_told() -> None:
    """TShark 4.0.17 with checksum validation on: all TCP and UDP packets bad."""
    (finding,) = of_capture("pcaps/bridge.pcapng", NAME)
    rows = stored(PROJECT / "pcaps" / "bridge.pcapng")[1]
    transported = sum(row.get("proto") in ("6", "17") for row in rows)
    assert finding["facts"]["unfilled"] == finding["facts"]["looked_at"] == transported
