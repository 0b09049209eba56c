"""What a pass reads from the bytes of packets: DNS messages and the MSS of SYNs. Frames by scapy."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet
from scapy.utils import PcapWriter

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.engine import study

LINK = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
V4, V6 = IP(src="10.0.0.1", dst="10.0.0.2"), IPv6(src="fd00::1", dst="fd00::2")
TUNNEL = LINK / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=5, dport=4789) / VXLAN(vni=7)


def context_of(folder: Path, *packets: Packet, snaplen: int = 0) -> Context:
    frames = [bytes(packet)[: snaplen or None] for packet in packets]
    with PcapWriter(str(folder / "made.pcap"), linktype=1) as writer:
        writer.write_header(None)
        for frame, packet in zip(frames, packets, strict=True):
            writer.write_packet(frame, sec=1, usec=0, caplen=len(frame), wirelen=len(packet))
    return study(folder / "made.pcap", links_only=True).context


def syn(flags: str = "S", options: list[tuple[str, object]] | None = None) -> TCP:
    return TCP(sport=4000, dport=80, flags=flags, seq=1, options=options or [])


@pytest.mark.parametrize("before", [LINK / V4, LINK / V6, TUNNEL / LINK / V4], ids=["IPv4", "IPv6", "VXLAN"])
def test_syns_of_both_ends_tell_their_mss(tmp_path: Path, before: Packet) -> None:
    full = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 0)), ("NOP", None), ("WScale", 10)]
    late = [("NOP", None), ("NOP", None), ("SAckOK", b""), ("MSS", 1240)]
    segments = syn(options=full), syn("SA", late), syn("A", full), syn(options=[])
    table = context_of(tmp_path, *(before / segment for segment in segments)).syns
    assert table[:, [schema.SYN_FRAME, schema.SYN_MSS]].tolist() == [[1, 1460], [2, 1240], [4, 0]]


@pytest.mark.parametrize("before", [LINK / V4, LINK / V6, TUNNEL / LINK / V4], ids=["IPv4", "IPv6", "VXLAN"])
def test_syns_tell_whether_their_checksums_are_right(tmp_path: Path, before: Packet) -> None:
    right = Ether(bytes(before / syn()))  # scapy fills it in
    packets = []
    for change in (0, 1):
        packet = right.copy()
        packet[TCP].chksum ^= change
        packets.append(packet)
    unfilled, without = right.copy(), right.copy()
    without[TCP].chksum = 0
    segment = bytes(without[TCP])
    # What the rest of the segment does not add to the complement is the sum of the pseudo-header.
    unfilled[TCP].chksum = (0xFFFF - right[TCP].chksum - _ones_complement_sum(segment)) % 0xFFFF
    table = context_of(tmp_path, *packets, unfilled).syns
    assert table[:, schema.SYN_CHECKSUM].tolist() == [schema.RIGHT, schema.WRONG, schema.UNFILLED]


def _ones_complement_sum(data: bytes) -> int:
    return sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)) % 0xFFFF


def test_dns_messages_have_names_types_and_codes(tmp_path: Path) -> None:
    asked = DNS(id=7, qd=DNSQR(qname="Web.Example.COM", qtype="AAAA"))
    failed = DNS(id=7, qr=1, tc=1, rcode=2, qd=DNSQR(qname="web.example.com", qtype="AAAA"))
    context = context_of(
        tmp_path,
        LINK / V4 / UDP(sport=40000, dport=53) / asked,
        LINK / V6 / UDP(sport=53, dport=40000) / failed,
        LINK / V4 / UDP(sport=53, dport=40000) / DNS(id=9, qr=1, rcode=1, qd=[]),
    )
    assert context.dns.names == ["web.example.com"]
    columns = [schema.DNS_FRAME, schema.DNS_ID, schema.DNS_QTYPE, schema.DNS_NAME]
    assert context.dns.table[:, columns].tolist() == [[1, 7, 28, 0], [2, 7, 28, 0], [3, 9, -1, -1]]
    flags = context.dns.table[:, schema.DNS_FLAGS]
    assert (flags & 0x8200).tolist() == [0, 0x8200, 0x8000] and (flags & 15).tolist() == [0, 2, 1]


@pytest.mark.parametrize("snaplen", range(42, 75))
def test_dns_message_cut_anywhere_tells_what_is_left(tmp_path: Path, snaplen: int) -> None:
    asked = LINK / V4 / UDP(sport=40000, dport=53) / DNS(id=7, qd=DNSQR(qname="web.test", qtype="AAAA"))
    context = context_of(tmp_path, asked, snaplen=snaplen)
    for name in context.dns.names:
        assert "web.test".startswith(name)
    assert set(context.dns.table[:, schema.DNS_QTYPE].tolist()) <= {-1, 28}
