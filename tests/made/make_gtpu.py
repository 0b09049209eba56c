"""GTP-U: user packets in both directions, with optional fields and extension headers; signalling; other protocols."""

import struct

from scapy.all import ICMP, IP, TCP, UDP, Ether, IPv6, Raw

from tests.made.build import C, pcap

D = "02:42:c0:a8:6f:81"
UP = Ether(src=C, dst=D) / IP(src="192.168.111.128", dst="192.168.111.129", id=0x0F0F)
DOWN = Ether(src=D, dst=C) / IP(src="192.168.111.129", dst="192.168.111.128", id=0x0F10)
SIX = Ether(src=C, dst=D) / IPv6(src="fd01::128", dst="fd01::129")
PORTS = UDP(sport=2152, dport=2152, chksum=0)
PHONE = IP(src="10.45.0.2", dst="10.0.1.3", id=7)
ANSWER = IP(src="10.0.1.3", dst="10.45.0.2", id=8)
PHONE_SIX = IPv6(src="fd45::2", dst="fd00::3")
ECHO_REQUEST, END_MARKER, G_PDU = 1, 254, 255
SEQUENCE, EXTENSION = 2, 4
UDP_PORT, PDU_SESSION = 0x40, 0x85  # types of extension headers


def captures() -> dict[str, bytes]:
    return {"gtpu.pcap": user_plane()}


def gtpu(teid: int, inside: object, flags: int = 0, optional: bytes = b"", kind: int = G_PDU) -> Raw:
    """A message with its length field as it must be. `optional`: what is between the TEID and the user packet."""
    body = optional + bytes(inside)  # type: ignore[call-overload]
    return Raw(struct.pack(">BBHI", 0x30 | flags, kind, len(body), teid) + body)


def user_plane() -> bytes:
    """Another TEID in each direction, as each end chooses the one that it receives."""
    counted = struct.pack(">HBB", 77, 0, 0)
    marked = struct.pack(">HBB", 0, 0, PDU_SESSION) + bytes([1, 0x10, 9, 0])
    chained = struct.pack(">HBB", 0, 0, UDP_PORT) + bytes([1, 0x12, 0x34, PDU_SESSION, 2, 0, 9, 0, 0, 0, 0, 0])
    endless = struct.pack(">HBB", 0, 0, PDU_SESSION) + bytes(4)  # an extension header of length 0
    small = PHONE / UDP(sport=3, dport=4)
    answer = struct.pack(">HHHHHH", 0x30FF, 0x8180, 1, 1, 0, 0) + b"\4name\0\0\1\0\1"
    return pcap(
        [
            UP / PORTS / gtpu(7, PHONE / TCP(sport=40000, dport=80, seq=1, flags="S")),
            DOWN / PORTS / gtpu(0x80000001, ANSWER / TCP(sport=80, dport=40000, seq=1, ack=2, flags="SA")),
            UP / PORTS / gtpu(7, PHONE / TCP(sport=40000, dport=80, seq=2, ack=2), SEQUENCE, counted),
            UP / PORTS / gtpu(8, PHONE_SIX / UDP(sport=1, dport=2) / b"six", EXTENSION, marked),
            UP / PORTS / gtpu(9, PHONE / ICMP(id=1, seq=2), EXTENSION, chained),
            SIX / UDP(sport=40001, dport=2152) / gtpu(0xFFFFFFFF, PHONE / UDP(sport=3, dport=4) / b"in IPv6"),
            # Tunnels in which nothing is decoded.
            UP / PORTS / gtpu(7, small, EXTENSION, endless),
            UP / PORTS / gtpu(7, bytes(5)),
            # No tunnels: two kinds of signalling, an answer of DNS, a length too small and one too large.
            UP / PORTS / gtpu(0, b"", SEQUENCE, counted, ECHO_REQUEST),
            UP / PORTS / gtpu(7, b"", kind=END_MARKER),
            UP / UDP(sport=53, dport=2152) / Raw(answer),
            UP / PORTS / Raw(bytes(gtpu(7, small)) + b"more"),
            UP / PORTS / Raw(bytes(gtpu(7, small))[:-2]),
        ]
    )
