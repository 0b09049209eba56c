"""6in4 (sit): both directions, the smallest packet, and an AH between; and what is beside it."""

from scapy.all import AH, IP, TCP, UDP, Ether, ICMPv6EchoReply, ICMPv6EchoRequest, IPv6, Raw

from tests.made.build import C, pcap

LINK = Ether(src=C, dst="02:42:c0:a8:6f:81")
THERE = IP(src="192.168.111.128", dst="192.168.111.129", id=0x0F0F)
BACK = IP(src="192.168.111.129", dst="192.168.111.128", id=0x0F10)
INNER = IPv6(src="fd00::2", dst="fd00::3")
ANSWER = IPv6(src="fd00::3", dst="fd00::2")


def captures() -> dict[str, bytes]:
    authentic = AH(spi=0xA11CE, seq=41, icv=bytes(12), payloadlen=4, nh=41)
    behind_ah = THERE.copy()
    behind_ah.proto = 51
    return {
        "sit.pcap": pcap(
            [
                LINK / THERE / INNER / ICMPv6EchoRequest(id=3, seq=4),
                LINK / BACK / ANSWER / ICMPv6EchoReply(id=3, seq=4),
                LINK / THERE / INNER / TCP(sport=40000, dport=80, seq=1, flags="S"),
                LINK / BACK / ANSWER / TCP(sport=80, dport=40000, seq=1, ack=2, flags="SA"),
                LINK / behind_ah / Raw(bytes(authentic) + bytes(INNER / UDP(sport=1, dport=2))),
                LINK / THERE / UDP(sport=7000, dport=7001) / Raw(b"beside it"),
            ]
        )
    }
