"""Transports beside TCP and UDP: SCTP with its ports, IGMP and VRRP, which have a name alone."""

import struct

from scapy.all import IP, Ether, IPv6, Raw

from tests.made.build import A, B, pcap

THERE = Ether(src=A, dst=B) / IP(src="10.0.1.2", dst="10.0.1.3", id=7)
BACK = Ether(src=B, dst=A) / IP(src="10.0.1.3", dst="10.0.1.2", id=8)


def captures() -> dict[str, bytes]:
    return {"sctp.pcap": sctp(), "named_protocols.pcap": named()}


def common(sport: int, dport: int, tag: int = 1) -> bytes:
    return struct.pack(">HHII", sport, dport, tag, 0)


def sctp() -> bytes:
    """INIT and its answer, data over IPv6, and a common header that is cut."""
    init = struct.pack(">BBHIIHHI", 1, 0, 20, 7, 65535, 2, 2, 1)
    ack = struct.pack(">BBHIIHHI", 2, 0, 20, 8, 65535, 2, 2, 1)
    data = struct.pack(">BBHIHHI", 0, 3, 20, 1, 0, 0, 46) + b"data"
    six = Ether(src=A, dst=B) / IPv6(src="fd00::2", dst="fd00::3", nh=132)
    return pcap(
        [
            THERE / Raw(common(40000, 38412, 0) + init),
            BACK / Raw(common(38412, 40000, 7) + ack),
            six / Raw(common(1, 2) + data),
            THERE / Raw(common(40000, 38412)[:6]),
            THERE / Raw(common(40000, 38412)[:2]),
        ]
    )


def named() -> bytes:
    """What capnet counts by its name: IGMP, VRRP, OSPF, PIM, and a protocol without a name here."""
    frames = [
        (2, "224.0.0.22", bytes.fromhex("2200f9fe00000000")),
        (112, "224.0.0.18", bytes.fromhex("2101640100017b")),
    ]
    frames += [(89, "224.0.0.5", bytes(24)), (103, "224.0.0.13", bytes(8)), (200, "10.0.1.3", bytes(8))]
    return pcap(Ether(src=A, dst=B) / IP(src="10.0.1.2", dst=dst, proto=p, id=7) / Raw(body) for p, dst, body in frames)
