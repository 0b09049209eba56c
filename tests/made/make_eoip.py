"""EoIP: Ethernet in GRE version 1 both ways, two tunnels, and a keep-alive."""

import struct

from scapy.all import ARP, IP, TCP, UDP, Dot1Q, Ether, Raw

from tests.made.build import A, B, C, pcap

D = "02:42:c0:a8:6f:81"
THERE = Ether(src=C, dst=D) / IP(src="192.168.111.128", dst="192.168.111.129", id=0x0F0F, proto=47)
BACK = Ether(src=D, dst=C) / IP(src="192.168.111.129", dst="192.168.111.128", id=0x0F10, proto=47)
INNER = Ether(src=A, dst=B) / IP(src="10.0.1.2", dst="10.0.1.3", id=7)


def captures() -> dict[str, bytes]:
    answer = Ether(src=B, dst=A) / IP(src="10.0.1.3", dst="10.0.1.2", id=8)
    tagged = Ether(src=A, dst=B) / Dot1Q(vlan=42) / IP(src="10.0.1.2", dst="10.0.1.3", id=9)
    frames = [
        THERE / eoip(25, INNER / TCP(sport=40000, dport=80, seq=1, flags="S")),
        BACK / eoip(25, answer / TCP(sport=80, dport=40000, seq=1, ack=2, flags="SA")),
        THERE / eoip(0x1234, tagged / UDP(sport=1, dport=2) / Raw(b"another tunnel")),
        THERE / eoip(25, Ether(src=A, dst=B) / ARP(hwsrc=A, psrc="10.0.1.2", pdst="10.0.1.3")),
        THERE / eoip(25, b""),
    ]
    return {"eoip.pcap": pcap(frames)}


def eoip(tunnel_id: int, frame: object) -> Raw:
    inside = bytes(frame)  # type: ignore[call-overload]
    return Raw(struct.pack(">HHH", 0x2001, 0x6400, len(inside)) + struct.pack("<H", tunnel_id) + inside)
