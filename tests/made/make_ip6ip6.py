"""IPv6 in IPv6 (ip6ip6): both directions, and behind destination options, as Linux writes a tunnel limit (RFC 2473)."""

from scapy.all import TCP, UDP, Ether, IPv6, IPv6ExtHdrDestOpt, PadN, Raw

from tests.made.build import C, pcap

LINK = Ether(src=C, dst="02:42:c0:a8:6f:81")
THERE = IPv6(src="fd01::128", dst="fd01::129")
BACK = IPv6(src="fd01::129", dst="fd01::128")
INNER = IPv6(src="fd00::2", dst="fd00::3")
ANSWER = IPv6(src="fd00::3", dst="fd00::2")


def captures() -> dict[str, bytes]:
    limited = THERE / IPv6ExtHdrDestOpt(options=[PadN(otype=4, optdata=b"\x04"), PadN(optdata=b"\0")])
    return {
        "ip6ip6.pcap": pcap(
            [
                LINK / THERE / INNER / TCP(sport=40000, dport=80, seq=1, flags="S"),
                LINK / BACK / ANSWER / TCP(sport=80, dport=40000, seq=1, ack=2, flags="SA"),
                LINK / limited / INNER / UDP(sport=1, dport=2) / Raw(b"tunnel limit"),
                LINK / THERE / UDP(sport=7000, dport=7001) / Raw(b"beside it"),
            ]
        )
    }
