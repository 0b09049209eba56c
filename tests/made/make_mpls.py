"""MPLS, PPPoE and PPP in front of IP: labels, sessions, both, and what is behind them that is no IP."""

import struct

from scapy.all import IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw

from tests.made.build import A, B, pcap

FOUR = IP(src="10.0.1.2", dst="10.0.1.3", id=7) / TCP(sport=40000, dport=80, seq=1)
SIX = IPv6(src="fd00::2", dst="fd00::3") / UDP(sport=1, dport=2) / Raw(b"six")


def captures() -> dict[str, bytes]:
    return {"mpls.pcap": mpls(), "pppoe.pcap": pppoe(), "ppp.pcap": ppp()}


def labels(*values: int) -> Raw:
    last = len(values) - 1
    return Raw(b"".join(struct.pack(">I", v << 12 | 0x100 * (n == last) | 64) for n, v in enumerate(values)))


def mpls() -> bytes:
    unicast = Ether(src=A, dst=B, type=0x8847)
    return pcap(
        [
            unicast / labels(1000) / FOUR,
            unicast / labels(1000, 1001, 1002) / SIX,
            Ether(src=A, dst=B, type=0x8848) / labels(17) / FOUR,
            Ether(src=A, dst=B) / Dot1Q(vlan=42, type=0x8847) / labels(18) / FOUR,
            unicast / labels(19) / Raw(bytes(4)) / Ether(src=A, dst=B) / FOUR,
            unicast / Raw(bytes(40)),
            unicast / Raw(struct.pack(">I", 20 << 12)),
        ]
    )


def pppoe() -> bytes:
    session = Ether(src=A, dst=B, type=0x8864)
    four, six = bytes(FOUR), bytes(SIX)
    return pcap(
        [
            session / in_session(b"\x00\x21" + four),
            session / in_session(b"\x00\x57" + six),
            Ether(src=A, dst=B) / Dot1Q(vlan=7, type=0x8864) / in_session(b"\x00\x21" + four),
            session / in_session(b"\xc0\x21\x09\x01\x00\x08\x00\x00\x00\x00"),
            session / in_session(b"\x02\x81" + bytes(labels(1000)) + four),
            Ether(src=A, dst=B, type=0x8863) / Raw(b"\x11\x09\x00\x00\x00\x04\x01\x01\x00\x00"),
            session / Raw(b"\x11\x00\x00"),
        ]
    )


def ppp() -> bytes:
    """PPP as the link layer: with and without address and control, a short protocol field, and no IP."""
    starts = [b"\xff\x03\x00\x21", b"\x00\x21", b"\x21"]
    return pcap(
        [
            *(start + bytes(FOUR) for start in starts),
            b"\xff\x03\x00\x57" + bytes(SIX),
            b"\xff\x03\xc0\x21\x01\x01\x00\x04",
        ],
        linktype=9,
    )


def in_session(ppp: bytes) -> Raw:
    return Raw(struct.pack(">BBHH", 0x11, 0, 0x0102, len(ppp)) + ppp)
