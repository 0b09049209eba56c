"""IPsec: ESP between two hosts and inside UDP, AH in front of TCP and UDP, over IPv4 and IPv6, whole and cut."""

import struct

from scapy.all import AH, IP, TCP, UDP, Ether, IPv6, Raw

from tests.made.build import C, pcap

D = "02:42:c0:a8:6f:81"
THERE = Ether(src=C, dst=D) / IP(src="192.168.111.128", dst="192.168.111.129", id=0x0F0F)
BACK = Ether(src=D, dst=C) / IP(src="192.168.111.129", dst="192.168.111.128", id=0x0F10)
SIX = Ether(src=C, dst=D) / IPv6(src="fd01::128", dst="fd01::129")
SECRET = bytes(range(3, 131))


def captures() -> dict[str, bytes]:
    return {"esp.pcap": esp(), "esp_nat.pcap": esp_nat(), "ah.pcap": ah(), "ipsec_cut.pcap": cut()}


def encrypted(spi: int, number: int, length: int = 128) -> bytes:
    """What ESP is on the wire: SPI, sequence number, and octets that say nothing."""
    return struct.pack(">II", spi, number) + SECRET[:length]


def esp() -> bytes:
    """Both directions, with an SPI each; then new keys in one of them; IPv6; a second pair of hosts one way only."""
    other = IP(src="192.168.111.128", dst="192.168.111.130", id=9)
    return pcap(
        [
            _ip(THERE, 50, encrypted(0xC0FFEE01, 1)),
            _ip(BACK, 50, encrypted(0xBEEF0002, 1)),
            _ip(THERE, 50, encrypted(0xC0FFEE01, 2, 64)),
            _ip(THERE, 50, encrypted(0xC0FFEE77, 1, 64)),
            _ip(SIX, 50, encrypted(0xFFFFFFFF, 0xFFFFFFFF)),
            _ip(Ether(src=C, dst=D) / other, 50, encrypted(256, 7)),
        ]
    )


def _ip(head: Ether, protocol: int, payload: bytes) -> Ether:
    """`payload` under an IP header that says `protocol`, which scapy would otherwise dissect."""
    packet = head.copy()
    if IPv6 in packet:
        packet[IPv6].nh = protocol
    else:
        packet[IP].proto = protocol
    return packet / Raw(payload)


def esp_nat() -> bytes:
    """UDP port 4500: ESP, then what is none: IKE behind four zero octets, a keep-alive of one octet."""
    nat = UDP(sport=40001, dport=4500)
    return pcap(
        [
            THERE / nat / Raw(encrypted(0xC0FFEE01, 1)),
            BACK / UDP(sport=4500, dport=40001) / Raw(encrypted(0xBEEF0002, 1)),
            THERE / nat / Raw(bytes(4) + bytes(range(28))),
            THERE / nat / Raw(b"\xff"),
        ]
    )


def ah() -> bytes:
    """The header alone is added: what is behind it stays readable."""
    mark = AH(spi=0xA11CE, seq=41, icv=bytes(12), payloadlen=4)
    return pcap(
        [
            _behind(THERE, mark, 6, TCP(sport=40000, dport=80, seq=5, flags="S")),
            _behind(THERE, mark, 17, UDP(sport=40000, dport=53) / Raw(b"query")),
            _behind(SIX, mark, 6, TCP(sport=40000, dport=80, seq=5, flags="S")),
            _behind(SIX, mark, 17, UDP(sport=40000, dport=53) / Raw(b"query")),
            _behind(THERE, mark, 50, Raw(encrypted(0xC0FFEE01, 3))),
        ]
    )


def _behind(head: Ether, mark: AH, protocol: int, inside: object) -> Ether:
    authentic = mark.copy()
    authentic.nh = protocol
    return _ip(head, 51, bytes(authentic) + bytes(inside))  # type: ignore[call-overload]


def cut() -> bytes:
    """Snap length within the ESP header; and an AH that claims to be longer than the packet."""
    long = AH(spi=1, seq=2, icv=bytes(12), payloadlen=255)
    return pcap([_ip(THERE, 50, encrypted(7, 8)), _behind(THERE, long, 6, TCP(sport=1, dport=2))], snaplen=40)
