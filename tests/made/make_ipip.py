"""IP in IP: 4 in 4, 4 in 6, an AH between, fragments, and a version that is not what was said; `sit` has 6 in 4."""

from scapy.all import AH, ICMP, IP, TCP, UDP, Ether, IPv6, Raw, fragment

from tests.made.build import C, pcap

D = "02:42:c0:a8:6f:81"
LINK = Ether(src=C, dst=D)
THERE = IP(src="192.168.111.128", dst="192.168.111.129", id=0x0F0F)
BACK = IP(src="192.168.111.129", dst="192.168.111.128", id=0x0F10)
SIX = IPv6(src="fd01::128", dst="fd01::129")
FOUR = IP(src="10.0.1.2", dst="10.0.1.3", id=7)
INNER_SIX = IPv6(src="fd00::2", dst="fd00::3")


def captures() -> dict[str, bytes]:
    return {"ipip.pcap": inside(), "ipip_odd.pcap": odd()}


def inside() -> bytes:
    answer = IP(src="10.0.1.3", dst="10.0.1.2", id=8)
    authentic = AH(spi=0xA11CE, seq=41, icv=bytes(12), payloadlen=4, nh=4)
    return pcap(
        [
            LINK / THERE / FOUR / TCP(sport=40000, dport=80, seq=1, flags="S"),
            LINK / BACK / answer / TCP(sport=80, dport=40000, seq=1, ack=2, flags="SA"),
            LINK / SIX / FOUR / UDP(sport=1, dport=2) / Raw(b"4 in 6"),
            LINK / THERE / FOUR / IP(src="10.9.0.1", dst="10.9.0.2", id=9) / ICMP(id=1, seq=2),
            LINK / _protocol(THERE, 51) / Raw(bytes(authentic) + bytes(FOUR / TCP(sport=1, dport=2))),
        ]
    )


def _protocol(head: IP, number: int) -> IP:
    packet = head.copy()
    packet.proto = number
    return packet


def odd() -> bytes:
    """Outer and inner fragments; protocol 4 in front of IPv6; nothing behind the outer header."""
    big = FOUR / UDP(sport=1, dport=2) / Raw(bytes(2000))
    return pcap(
        [
            *(LINK / part for part in fragment(THERE / big, 1480)),
            *(LINK / THERE / part for part in fragment(big, 1480)),
            LINK / _protocol(THERE, 4) / Raw(bytes(INNER_SIX / TCP(sport=1, dport=2))),
            LINK / _protocol(THERE, 41) / Raw(bytes(FOUR / TCP(sport=1, dport=2))),
            LINK / _protocol(THERE, 4),
        ]
    )
