"""EtherIP and MikroTik's EoIPv6, over IPv6 and IPv4: both ways, tunnel-ids whose halves are swapped, odd headers."""

import struct

from scapy.all import ARP, IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw

from tests.made.build import A, B, C, pcap

D = "02:42:c0:a8:6f:81"
PROTOCOL = 97
THERE = Ether(src=C, dst=D) / IPv6(src="fd00::128", dst="fd00::129", nh=PROTOCOL)
BACK = Ether(src=D, dst=C) / IPv6(src="fd00::129", dst="fd00::128", nh=PROTOCOL)
V4 = Ether(src=C, dst=D) / IP(src="192.168.111.128", dst="192.168.111.129", id=0x0F0F, proto=PROTOCOL)
INNER = Ether(src=A, dst=B) / IP(src="10.0.1.2", dst="10.0.1.3", id=7)
ETHERIP = 0x3000


def captures() -> dict[str, bytes]:
    answer = Ether(src=B, dst=A) / IP(src="10.0.1.3", dst="10.0.1.2", id=8)
    tagged = Ether(src=A, dst=B) / Dot1Q(vlan=42) / IP(src="10.0.1.2", dst="10.0.1.3", id=9)
    frames = [
        THERE / within(eoipv6(1234), INNER / TCP(sport=40000, dport=80, seq=1, flags="S")),
        BACK / within(eoipv6(1234), answer / TCP(sport=80, dport=40000, seq=1, ack=2, flags="SA")),
        V4 / within(ETHERIP, tagged / UDP(sport=1, dport=2) / Raw(b"no tunnel-id")),
        V4 / within(ETHERIP, Ether(src=A, dst=B) / ARP(hwsrc=A, psrc="10.0.1.2", pdst="10.0.1.3")),
        THERE / within(eoipv6(1234), b""),
    ]
    other = Ether(src=C, dst=D) / IPv6(src="fd00::128", dst="fd00::130", nh=PROTOCOL)
    third = Ether(src=C, dst=D) / IPv6(src="fd00::128", dst="fd00::131", nh=PROTOCOL)
    frames.append(third / within(0x2000, INNER / UDP(sport=5, dport=6)))  # version 2
    frames.append(other / within(eoipv6(0x333), INNER / UDP(sport=3, dport=4) / Raw(b"both halves are 3")))
    return {"etherip.pcap": pcap(frames)}


def eoipv6(tunnel_id: int) -> int:
    """The header: 1234 is 0x4d2, and becomes 0x43d2."""
    return (tunnel_id >> 8) << 12 | 3 << 8 | tunnel_id & 0xFF


def within(header: int, frame: object) -> Raw:
    return Raw(struct.pack(">H", header) + bytes(frame))  # type: ignore[call-overload]
