"""Geneve: with and without options, Ethernet and IP inside, over IPv4 and IPv6, and what is none of it."""

import struct

from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw

from tests.made.build import A, B, C, pcap

D = "02:42:c0:a8:6f:81"
THERE = Ether(src=C, dst=D) / IP(src="192.168.111.128", dst="192.168.111.129", id=0x0F0F)
BACK = Ether(src=D, dst=C) / IP(src="192.168.111.129", dst="192.168.111.128", id=0x0F10)
SIX = Ether(src=C, dst=D) / IPv6(src="fd01::128", dst="fd01::129")
PORTS = UDP(sport=43210, dport=6081, chksum=0)
INNER = Ether(src=A, dst=B) / IP(src="10.0.1.2", dst="10.0.1.3", id=7)
ETHERNET = 0x6558


def captures() -> dict[str, bytes]:
    return {"geneve.pcap": inside(), "geneve_odd.pcap": odd(), "geneve_ethertypes.pcap": ethertypes()}


def geneve(vni: int, kind: int = ETHERNET, options: bytes = b"", version: int = 0) -> Raw:
    return Raw(struct.pack(">BBHI", version << 6 | len(options) // 4, 0, kind, vni << 8) + options)


def inside() -> bytes:
    option = struct.pack(">HBB", 0x0102, 0x80, 1) + b"data"
    answer = Ether(src=B, dst=A) / IP(src="10.0.1.3", dst="10.0.1.2", id=8)
    return pcap(
        [
            THERE / PORTS / geneve(4097) / INNER / TCP(sport=40000, dport=80, seq=1, flags="S"),
            BACK / PORTS / geneve(4097) / answer / TCP(sport=80, dport=40000, seq=1, ack=2, flags="SA"),
            THERE / PORTS / geneve(0xFFFFFF, options=option * 2) / INNER / UDP(sport=1, dport=2) / Raw(b"two options"),
            THERE / PORTS / geneve(0) / Ether(src=A, dst=B) / ARP(hwsrc=A, psrc="10.0.1.2", pdst="10.0.1.3"),
            SIX / PORTS / geneve(5) / INNER / ICMP(id=1, seq=2),
            THERE / PORTS / geneve(6, 0x0800) / IP(src="10.0.1.2", dst="10.0.1.3", id=9) / TCP(sport=3, dport=4),
            THERE / PORTS / geneve(7, 0x86DD, option) / IPv6(src="fd00::2", dst="fd00::3") / UDP(sport=3, dport=4),
        ]
    )


def ethertypes() -> bytes:
    """Packets without Ethernet (RFC 8926 section 3.4): ARP, VLAN tags, PPPoE, MPLS, and LLDP, which is not decoded."""
    four = IP(src="10.0.1.2", dst="10.0.1.3", id=7) / TCP(sport=1, dport=2)
    ask = ARP(hwsrc=A, psrc="10.0.1.2", pdst="10.0.1.3")
    session = Raw(struct.pack(">BBHH", 0x11, 0, 7, len(four) + 2) + b"\x00\x21")
    return pcap(
        [
            THERE / PORTS / geneve(1, 0x0806) / ask,
            THERE / PORTS / geneve(2, 0x8100) / Dot1Q(vlan=42) / four,
            THERE / PORTS / geneve(2, 0x88A8) / Dot1Q(vlan=42) / Dot1Q(vlan=43) / ask,
            THERE / PORTS / geneve(3, 0x8864) / session / four,
            THERE / PORTS / geneve(4, 0x8847) / Raw(bytes.fromhex("000101ff")) / four,
            THERE / PORTS / geneve(5, 0x88CC) / Raw(bytes(20)),
            THERE / PORTS / geneve(6, 0x0806) / Raw(bytes(ask)[:20]),
            THERE / PORTS / geneve(6, 0x8100) / Raw(b"\x00"),
        ]
    )


def odd() -> bytes:
    """An inside that is not decoded, options longer than the packet, another version, a header too short."""
    return pcap(
        [
            THERE / PORTS / geneve(1, 0x8847) / Raw(bytes(20)),
            THERE / PORTS / Raw(bytes([0x3F]) + bytes(geneve(2))[1:] + bytes(20)),
            THERE / PORTS / geneve(3, version=1) / INNER / TCP(sport=1, dport=2),
            THERE / PORTS / Raw(bytes(5)),
        ]
    )
