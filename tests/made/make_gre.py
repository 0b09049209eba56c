"""GRE: every optional field, IP and Ethernet inside (gretap, NVGRE), ERSPAN I to III, MPLS, PPTP, and what is odd."""

import struct

from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw

from tests.made.build import A, B, C, pcap

D = "02:42:c0:a8:6f:81"
THERE = Ether(src=C, dst=D) / IP(src="192.168.111.128", dst="192.168.111.129", id=0x0F0F, proto=47)
BACK = Ether(src=D, dst=C) / IP(src="192.168.111.129", dst="192.168.111.128", id=0x0F10, proto=47)
SIX = Ether(src=C, dst=D) / IPv6(src="fd01::128", dst="fd01::129", nh=47)
FOUR = IP(src="10.0.1.2", dst="10.0.1.3", id=7)
INNER = Ether(src=A, dst=B) / FOUR


def captures() -> dict[str, bytes]:
    return {
        "gre.pcap": inside(),
        "gre_ethertypes.pcap": ethertypes(),
        "erspan.pcap": erspan(),
        "gre_pptp.pcap": pptp(),
        "gre_odd.pcap": odd(),
    }


def gre(kind: int, key: int | None = None, sequence: int | None = None, checksum: bool = False) -> Raw:
    flags = 0x8000 * checksum | 0x2000 * (key is not None) | 0x1000 * (sequence is not None)
    words = [0] * checksum + [word for word in (key, sequence) if word is not None]
    return Raw(struct.pack(f">HH{len(words)}I", flags, kind, *words))


def inside() -> bytes:
    answer = IP(src="10.0.1.3", dst="10.0.1.2", id=8)
    return pcap(
        [
            THERE / gre(0x0800) / FOUR / TCP(sport=40000, dport=80, seq=1, flags="S"),
            BACK / gre(0x0800) / answer / TCP(sport=80, dport=40000, seq=1, ack=2, flags="SA"),
            THERE / gre(0x0800, key=77, sequence=3, checksum=True) / FOUR / UDP(sport=1, dport=2) / Raw(b"all fields"),
            THERE / gre(0x86DD, sequence=4) / IPv6(src="fd00::2", dst="fd00::3") / UDP(sport=1, dport=2),
            THERE / gre(0x6558) / INNER / ICMP(id=1, seq=2),
            THERE / gre(0x6558, key=0x123456FF) / INNER / TCP(sport=1, dport=2),
            SIX / gre(0x6558, key=4) / INNER / TCP(sport=1, dport=2),
            THERE / gre(0x8847) / Raw(bytes.fromhex("000100ff 000201ff")) / FOUR / TCP(sport=1, dport=2),
        ]
    )


def ethertypes() -> bytes:
    """Packets without Ethernet: ARP, and IP behind VLAN tags."""
    return pcap(
        [
            THERE / gre(0x0806, key=5) / ARP(hwsrc=A, psrc="10.0.1.2", pdst="10.0.1.3"),
            THERE / gre(0x8100) / Dot1Q(vlan=42) / FOUR / TCP(sport=1, dport=2),
            THERE / gre(0x8100) / Dot1Q(vlan=42) / Dot1Q(vlan=43) / FOUR / UDP(sport=1, dport=2),
        ]
    )


def erspan() -> bytes:
    second = Raw(struct.pack(">HHI", 0x1000 | 23, 100, 9))
    third = Raw(struct.pack(">HHIHH", 0x2000 | 23, 101, 0x01020304, 0, 0))
    platform = Raw(struct.pack(">HHIHH", 0x2000 | 23, 102, 0x01020304, 0, 1) + bytes(8))
    frame = INNER / TCP(sport=40000, dport=80, seq=1)
    return pcap(
        [
            THERE / gre(0x88BE) / frame,
            THERE / gre(0x88BE, sequence=1) / second / frame,
            THERE / gre(0x22EB, sequence=2) / third / frame,
            THERE / gre(0x22EB, sequence=3) / platform / frame,
        ]
    )


def pptp() -> bytes:
    """Version 1: payload length and call ID for a key; PPP inside, with and without its optional octets."""
    packet = FOUR / TCP(sport=40000, dport=80, seq=1)
    frames = [b"\xff\x03\x00\x21" + bytes(packet), b"\x21" + bytes(packet), b"\xc0\x21\x01\x01\x00\x04"]
    heads = [struct.pack(">HHHHII", 0x3081, 0x880B, len(frame), 6016, 9, 8) for frame in frames]
    alone = struct.pack(">HHHHI", 0x2081, 0x880B, 0, 6016, 9)
    return pcap([*(THERE / Raw(head + frame) for head, frame in zip(heads, frames, strict=True)), THERE / Raw(alone)])


def odd() -> bytes:
    """A source route, another version, an unknown inside, no inside, fields that are cut, IPv6 that is said to be 4."""
    return pcap(
        [
            THERE / Raw(struct.pack(">HHHHI", 0x4000, 0x0800, 0, 0, 0)) / FOUR / TCP(sport=1, dport=2),
            THERE / Raw(struct.pack(">HH", 2, 0x0800)) / FOUR / TCP(sport=1, dport=2),
            THERE / gre(0x9000) / Raw(bytes(40)),
            THERE / gre(0),
            THERE / Raw(struct.pack(">HHH", 0x2000, 0x0800, 1)),
            THERE / Raw(b"\x00"),
            THERE / gre(0x22EB, sequence=1) / Raw(bytes(6)),
        ]
    )
